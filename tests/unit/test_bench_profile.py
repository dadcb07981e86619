"""What a profile says of samples."""

from pathlib import Path

from benchmarks import profile
from benchmarks.profile import by_module, sheet

ROOT = Path(profile.__file__).parents[1]


def test_samples_count_for_the_innermost_function_ours_by_module_and_others_by_package() -> None:
    raw = f"""main ({ROOT}/deploy/cli.py:9);apply ({ROOT}/processors/partition.py:120) 7
main ({ROOT}/deploy/cli.py:9);apply ({ROOT}/processors/partition.py:131);tell ({ROOT}/processors/phrases.py:8) 2
main ({ROOT}/deploy/cli.py:9);fetch ({ROOT}/.venv/lib/python3.11/site-packages/aiokafka/consumer/fetcher.py:44) 3
main ({ROOT}/deploy/cli.py:9);wait (/usr/lib/python3.11/asyncio/base_events.py:607) 1
apply ({ROOT}/processors/partition.py:7) 4
__init__ (:3) 1
process 7:"python -m deploy.cli replay --out /tmp/a";main ({ROOT}/deploy/cli.py:9);_find (<frozen importlib._bootstrap>:80) 2
process 7:"python -m deploy.cli replay --out /tmp/a" 5
"""
    assert by_module(raw) == {
        "processors.partition": 11,
        "processors.phrases": 2,
        "aiokafka": 3,
        "asyncio": 1,
        "generated": 1,
        "imports": 2,
        "outside Python": 5,
    }


def test_a_profile_shows_the_largest_share_first_and_sums_to_a_whole() -> None:
    shown = sheet({"worker": {"a": 900, "b": 95, "c": 5}, "replay": {"b": 100}})
    assert [tuple(row) for row in shown.rows] == [
        ("b", "9.5%", "100.0%"),
        ("a", "90.0%", "0.0%"),
        ("all others", "0.5%", "0.0%"),
    ]
