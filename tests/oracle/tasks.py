"""Follow-up call tasks (contract §2). `task_ids`: (shop, buyer, order) -> the id that commands name the task by.

Choices where the contract is silent:
- "another order with a negative review in the last 30 days": a version with rating <= 3 of another order of the buyer in
  the shop, in (t - 30 d, t], t being the task's first negative review;
- a withdrawn task opens again when a later negative review version comes before any call;
- hours are half-open: 12:00 and 20:00 are outside the calling hours, 06:00 is no late purchase;
- `review_ids` are all reviews of the order;
- reviews and commands count in the order of their time, at one instant reviews first; a step may skip those before it
  (a call may be logged or a task resolved without a claim); a step backwards, of the excluded agent, or of another
  person than the one who has the task changes nothing; anyone may revisit; a withdrawal lets go of the claim.
"""

from datetime import timedelta

from oracle.events import DAY, HOUR, at, attributed_agent, fen, local, local_day

CALLING_HOURS = ((10, 12), (14, 20))
LATE_PURCHASE_CALLING_HOURS = ((14, 20),)
STEPS = {  # command -> (statuses it may come in, status it leads to)
    "call_task.claimed": (("open",), "claimed"),
    "call_task.call_logged": (("open", "claimed", "called"), "called"),
    "call_task.resolved": (("open", "claimed", "called"), "resolved"),
    "call_task.revisited": (("resolved",), "revisited"),
}


def call_tasks(facts, task_ids):
    tasks = []
    for shop, buyer in facts.buyers():
        versions = facts.review_versions(shop, buyer)
        for order_id in sorted({v["data"]["order_id"] for v in versions if v["data"]["rating"] <= 3}):
            tasks.append(_task(facts, shop, buyer, order_id, versions, task_ids.get((shop, buyer, order_id))))
    return tasks


def _task(facts, shop, buyer, order_id, versions, task_id):
    mine = [version for version in versions if version["data"]["order_id"] == order_id]
    raised_at = next(version["t"] for version in mine if version["data"]["rating"] <= 3)
    order = facts.order(shop, buyer, order_id)
    standing = {version["data"]["review_id"]: version["data"]["rating"] for version in mine}
    worst = min(standing.values())
    elsewhere = any(
        version["data"]["order_id"] != order_id
        and version["data"]["rating"] <= 3
        and raised_at - 30 * DAY < version["t"] <= raised_at
        for version in versions
    )
    if worst == 1 or (order and fen(order["data"]["amount"]) >= 500_00) or elsewhere:
        priority = "high"
    else:
        priority = "normal" if worst == 2 else "low"
    late = order is not None and (local(order["t"]).hour >= 22 or local(order["t"]).hour < 6)
    not_before = earliest_call(raised_at, LATE_PURCHASE_CALLING_HOURS if late else CALLING_HOURS)
    excluded_agent = attributed_agent(facts, shop, buyer, order["t"]) if order else ""
    return {
        "shop_id": shop,
        "buyer_id": buyer,
        "order_id": order_id,
        "review_ids": sorted(standing),
        "rating": worst,
        "priority": priority,
        "raised_at": raised_at,
        "not_before": not_before,
        "due_at": max(raised_at + 24 * HOUR, not_before + 2 * HOUR),
        "assigned_role": "review_specialist",
        "excluded_agent_id": excluded_agent,
    } | _progress(facts, shop, buyer, mine, task_id, excluded_agent)


def earliest_call(t, hours):
    """The earliest moment at or after t inside the calling hours."""
    for days in range(2):
        day = local_day(t) + timedelta(days=days)
        for start, end in hours:
            if t < at(day, end):
                return max(t, at(day, start))
    raise AssertionError("there are calling hours every day")


def _progress(facts, shop, buyer, mine, task_id, excluded_agent):
    """Reviews and commands in the order of their time; at one instant reviews come first."""
    commands = [c for c in facts.of_buyer(shop, buyer, *STEPS) if c["data"]["task_id"] == task_id]
    steps = sorted(mine + commands, key=lambda step: (step["t"], step in commands))
    state = {"status": None, "claimed_by": "", "calls": 0, "outcome": "", "revisit_due_at": None}
    standing = {}
    for step in steps:
        data, status = step["data"], state["status"]
        if step in mine:
            standing[data["review_id"]] = data["rating"]
            negative = min(standing.values()) <= 3
            if negative and status in (None, "withdrawn"):
                state["status"] = "open"
            elif not negative and status in ("open", "claimed"):
                state |= {"status": "withdrawn", "claimed_by": ""}
            continue
        before, after = STEPS[step["type"]]
        if status not in before:
            continue
        if after == "revisited":
            state["status"] = "revisited"
            continue
        if data["actor"] == excluded_agent or state["claimed_by"] not in ("", data["actor"]):
            continue
        state |= {"status": after, "claimed_by": data["actor"]}
        if after == "called":
            state["calls"] += 1
        if after == "resolved":
            state |= {"outcome": data.get("outcome", ""), "revisit_due_at": step["t"] + 3 * DAY}
    return state
