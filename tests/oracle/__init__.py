"""What the contract says must come out, computed in the plainest way: an independent second opinion on the processors.

Nothing here imports the product. Each module says which choices it makes where the contract is silent.
Instants are ms since the epoch, amounts 1/100 CNY.
"""

from oracle.events import Facts
from oracle.flags import flags
from oracle.leaderboard import leaderboard
from oracle.response import rounds, windows
from oracle.tasks import call_tasks


def expected(events, lists, is_negative, task_ids):
    """The final state of every output file, out of CloudEvents dicts in any order, duplicates included."""
    facts = Facts(events)
    return {
        "flags": flags(facts, lists, is_negative),
        "call_tasks": call_tasks(facts, task_ids),
        "response_rounds": rounds(facts),
        "response_windows": windows(facts),
        "leaderboard_hourly": leaderboard(facts),
    }


__all__ = ["Facts", "expected"]
