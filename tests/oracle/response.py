"""Rounds, response windows, first responses (contract §2).

Choices where the contract is silent:
- pending rounds are left out of the averages, rates and percentiles, so the `platform` average is
  (sum + 600 000 x unanswered) / (answered + unanswered), and a rate's denominator is answered + unanswered in both definitions;
- percentiles are nearest-rank, of the capped responses; in `platform` an unanswered round is one of 600 000 ms;
- `buyers_replied` are buyers who wrote to the agent that day and got an effective message from that agent that day;
- `buyers_wrote` and `buyers_replied` stand in both definitions' day windows with the same numbers: they know no hours;
- first responses and their figures are zero in `platform` rows, and are not capped.
"""

from oracle.events import (
    HOUR,
    MINUTE,
    SECOND,
    at,
    is_buyer_message,
    is_effective,
    local_day,
    midnight_after,
    window_start,
)

CAP = 600 * SECOND
SIZES = (300, 3600, 86_400)


def rounds(facts):
    """Every round of every (shop, buyer, agent)."""
    found = []
    for shop, buyer in facts.buyers():
        messages = facts.messages(shop, buyer)
        for agent in sorted({message["data"]["agent_id"] for message in messages}):
            thread = [message for message in messages if message["data"]["agent_id"] == agent]
            for day in sorted({local_day(message["t"]) for message in thread}):
                opening = None
                for message in thread:
                    if local_day(message["t"]) != day:
                        continue
                    if is_buyer_message(message) and opening is None:
                        opening = message
                    elif is_effective(message) and opening is not None:
                        found.append(_round(shop, buyer, agent, opening, message, "answered"))
                        opening = None
                if opening is not None:
                    ended = facts.now >= midnight_after(opening["t"])
                    found.append(_round(shop, buyer, agent, opening, None, "unanswered" if ended else "pending"))
    return found


def _round(shop, buyer, agent, opening, reply, status):
    return {
        "shop_id": shop,
        "buyer_id": buyer,
        "agent_id": agent,
        "opened_at": opening["t"],
        "message_id": opening["id"],
        "replied_at": reply and reply["t"],
        "reply_message_id": reply and reply["id"],
        "response_ms": reply and reply["t"] - opening["t"],
        "in_platform_hours": in_platform_hours(opening["t"]),
        "status": status,
    }


def in_platform_hours(t):
    return at(local_day(t), 8) <= t < at(local_day(t), 23)


def sessions(facts, shop, buyer):
    """Runs of messages between the shop and the buyer with gaps below 10 minutes."""
    runs = []
    for message in facts.messages(shop, buyer):
        if runs and message["t"] - runs[-1][-1]["t"] < 10 * MINUTE:
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs


def first_responses(facts):
    """(shop, replying agent, time of the first buyer message, ms to the first effective reply after it) of each session."""
    found = []
    for shop, buyer in facts.buyers():
        for session in sessions(facts, shop, buyer):
            asked = next((n for n, message in enumerate(session) if is_buyer_message(message)), None)
            if asked is None:
                continue
            reply = next((message for message in session[asked:] if is_effective(message)), None)
            if reply is not None:
                t = session[asked]["t"]
                found.append((shop, reply["data"]["agent_id"], t, reply["t"] - t))
    return found


def windows(facts):
    """Every response window with a round or a first response in it."""
    all_rounds = rounds(facts)
    all_first = first_responses(facts)
    rows = []
    for seconds in SIZES:
        keys = {(r["shop_id"], r["agent_id"], window_start(r["opened_at"], seconds)) for r in all_rounds}
        keys |= {(shop, agent, window_start(t, seconds)) for shop, agent, t, _ in all_first}
        for shop, agent, start in sorted(keys):
            here = [
                r
                for r in all_rounds
                if (r["shop_id"], r["agent_id"], window_start(r["opened_at"], seconds)) == (shop, agent, start)
            ]
            first = [ms for s, a, t, ms in all_first if (s, a, window_start(t, seconds)) == (shop, agent, start)]
            for definition in ("all", "platform"):
                counted = here if definition == "all" else [r for r in here if r["in_platform_hours"]]
                first_counted = first if definition == "all" else []
                if not counted and not first_counted:
                    continue
                row = {"shop_id": shop, "agent_id": agent, "window_start": start, "window_seconds": seconds}
                row |= {"definition": definition} | _figures(counted, definition)
                row |= {
                    "first_responses": len(first_counted),
                    "first_response_ms_sum": sum(first_counted),
                    "first_within_10s": sum(ms <= 10 * SECOND for ms in first_counted),
                }
                wrote, replied = _buyers(facts, shop, agent, start) if seconds == 86_400 else (None, None)
                rows.append(row | {"buyers_wrote": wrote, "buyers_replied": replied})
    return rows


def _figures(counted, definition):
    answered = [min(r["response_ms"], CAP) for r in counted if r["status"] == "answered"]
    within = sum(ms <= 180 * SECOND for ms in answered)
    unanswered = sum(r["status"] == "unanswered" for r in counted)
    values = sorted(answered + ([CAP] * unanswered if definition == "platform" else []))
    ended = len(answered) + unanswered
    return {
        "rounds": len(counted),
        "answered": len(answered),
        "pending": sum(r["status"] == "pending" for r in counted),
        "answered_within_3min": within,
        "response_ms_sum": sum(answered),
        "avg_response_ms": sum(values) / len(values) if values else None,
        "rate_3min": within / ended if ended else None,
        "p50_ms": percentile(values, 50),
        "p90_ms": percentile(values, 90),
        "p99_ms": percentile(values, 99),
    }


def percentile(values, percent):
    """Nearest-rank: the smallest value that at least `percent` % of the values don't exceed."""
    for value in values:
        if 100 * sum(other <= value for other in values) >= percent * len(values):
            return value
    return None


def _buyers(facts, shop, agent, start):
    wrote, replied = set(), set()
    for s, buyer in facts.buyers():
        if s != shop:
            continue
        for message in facts.messages(shop, buyer):
            if message["data"]["agent_id"] == agent and start <= message["t"] < start + 24 * HOUR:
                if is_buyer_message(message):
                    wrote.add(buyer)
                if is_effective(message):
                    replied.add(buyer)
    return len(wrote), len(wrote & replied)
