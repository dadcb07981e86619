"""A buyer's shares of response windows, computed plainly from all messages at once. `revision` is the product's own notion;
the rest is contract §2."""

from collections import defaultdict

from processors.rounds import revisions
from processors.windows import DEFINITIONS, SIZES_MS, WindowKey, WindowSums, in_platform_hours, rounded
from schemas.types import DAY_MS


def windows(shop_id, messages, rules, days):
    """WindowKey -> WindowSums of one buyer's messages, ordered by (time, id)."""
    shares = defaultdict(WindowSums)
    threads = defaultdict(list)
    for message in messages:
        threads[message.agent_id, days.day_start(message.time)].append(message)
    for (agent_id, day), thread in threads.items():
        _add_thread(shares, shop_id, agent_id, day, thread, rules, days)
    for session in _sessions(messages, rules):
        _add_session(shares, shop_id, session, rules, days)
    return dict(shares)


def _add_thread(shares, shop_id, agent_id, day, thread, rules, days):
    if not any(message.mode == "buyer" for message in thread):
        return
    for definition in DEFINITIONS:
        share = shares[WindowKey(shop_id, agent_id, day, DAY_MS, definition)]
        share.buyers_wrote += 1
        share.buyers_replied += any(message.effective for message in thread)
    for message, revision in zip(thread, revisions(thread), strict=True):
        if message.mode == "buyer":
            for key in _keys(shop_id, agent_id, message.time, rules, days):
                shares[key].revision += revision
            if not in_platform_hours(message.time, rules, days):
                shares[WindowKey(shop_id, agent_id, day, DAY_MS, "platform")].revision += revision
    opening = None
    for message in thread:
        if message.mode == "buyer":
            if opening is None:
                opening = message
                for key in _keys(shop_id, agent_id, opening.time, rules, days):
                    shares[key].rounds += 1
        elif message.effective and opening is not None:
            response = message.time - opening.time
            capped = min(response, rules.response_cap_ms)
            for key in _keys(shop_id, agent_id, opening.time, rules, days):
                share = shares[key]
                share.answered += 1
                share.answered_in_target += response <= rules.response_target_ms
                share.response_ms_sum += capped
                value = rounded(capped, rules.response_cap_ms)
                share.responses[value] = share.responses.get(value, 0) + 1
            opening = None


def _sessions(messages, rules):
    sessions = []
    for message in messages:
        if sessions and message.time - sessions[-1][-1].time < rules.session_gap_ms:
            sessions[-1].append(message)
        else:
            sessions.append([message])
    return sessions


def _add_session(shares, shop_id, session, rules, days):
    for place, (message, revision) in enumerate(zip(session, revisions(session), strict=True)):
        if message.mode == "buyer":
            for agent_id in {later.agent_id for later in session[place:] if later.effective}:
                for size in SIZES_MS:
                    key = WindowKey(shop_id, agent_id, days.window_start(message.time, size), size, "all")
                    shares[key].revision += revision
    asked = next((message for message in session if message.mode == "buyer"), None)
    if asked is None:
        return
    after = session[session.index(asked) + 1 :]
    reply = next((message for message in after if message.effective), None)
    if reply is not None:
        for size in SIZES_MS:
            share = shares[WindowKey(shop_id, reply.agent_id, days.window_start(asked.time, size), size, "all")]
            share.first_responses += 1
            share.first_ms_sum += reply.time - asked.time
            share.first_in_target += reply.time - asked.time <= rules.first_response_target_ms


def _keys(shop_id, agent_id, time, rules, days):
    definitions = DEFINITIONS if in_platform_hours(time, rules, days) else ("all",)
    return [
        WindowKey(shop_id, agent_id, days.window_start(time, size), size, definition)
        for definition in definitions
        for size in SIZES_MS
    ]
