"""The job that the benchmark gives to other tools is the contract's, and the judging of it judges."""

from collections import Counter, defaultdict
from typing import Any

import orjson
import pytest

from benchmarks.peers import events, own, truth
from benchmarks.peers.job import FIGURES, Change, take, time_ms, window_row, window_start

EVENTS = 4_000


@pytest.fixture(scope="module")
def clean() -> list[events.Record]:
    return events.chat(EVENTS)


@pytest.fixture(scope="module")
def dirty() -> list[events.Record]:
    return events.chat(EVENTS, dirty=True)


@pytest.fixture(scope="module")
def real(clean: list[events.Record]) -> truth.Windows:
    return truth.windows_of(clean)


def found_in(records: list[events.Record]) -> truth.Windows:
    opened: dict[tuple[bytes, str], int | None] = {}
    windows: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for key, value in records:
        event = orjson.loads(value)
        thread = key, event["data"]["agent_id"]
        opened[thread], change = take(opened.get(thread), event)
        if change is not None:
            windows[change["agent"], window_start(change["opened_at"])].update({f: change[f] for f in FIGURES})  # type: ignore[literal-required]
    return truth.rolled_up(window_row(*window, sums) for window, sums in windows.items())


def test_in_order_the_job_gives_all_windows_of_the_product(clean: list[events.Record], real: truth.Windows) -> None:
    assert found_in(clean) == real
    assert {(size, definition) for _, _, _, size, definition in real} == {
        (size, definition) for size in (300_000, 3_600_000, 86_400_000) for definition in ("all", "platform")
    }


def test_the_truth_of_a_bad_delivery_is_that_of_a_good_one(dirty: list[events.Record], real: truth.Windows) -> None:
    assert truth.windows_of(dirty) == real


def test_a_bad_delivery_shows_in_the_score(dirty: list[events.Record], real: truth.Windows) -> None:
    score = truth.score(found_in(dirty), real)
    assert score.correct < score.total == len(real)


def test_chat_comes_in_order_of_event_time(clean: list[events.Record]) -> None:
    times = [orjson.loads(value)["time"] for _, value in clean]
    assert len(times) == EVENTS
    assert times == sorted(times)


def test_a_bad_delivery_has_everything_and_some_twice_and_late(
    clean: list[events.Record], dirty: list[events.Record]
) -> None:
    times = Counter(dirty)
    assert times.keys() == Counter(clean).keys()
    assert set(times.values()) == {1, 2}
    assert 0.5 * events.TWICE < sum(count == 2 for count in times.values()) / EVENTS < 2 * events.TWICE
    newest = late = behind = 0
    for record in dirty:
        at = time_ms(orjson.loads(record[1])["time"])
        late += times[record] == 1 and at < newest - 60_000
        behind += at < newest
        newest = max(newest, at)
    assert 0.005 < late / EVENTS < 0.03, "one in fifty comes minutes after its time, if anything was sent meanwhile"
    assert behind > 2 * late, "and others a little after theirs"


def message(time: str, sender: str, **more: str) -> dict[str, Any]:
    return {"time": time, "data": {"shop_id": "s", "agent_id": "s:a", "sender": sender, **more}}


def answer(opened: str, replied: str, **more: str) -> Change | None:
    waiting, _ = take(None, message(opened, "buyer"))
    return take(waiting, message(replied, "agent", **more))[1]


def test_a_reply_counts_in_the_window_of_the_question_capped() -> None:
    change = answer("2025-11-11T09:04:59+08:00", "2025-11-11T09:30:00+08:00")
    assert change is not None
    assert window_start(change["opened_at"]) == time_ms("2025-11-11T09:00:00+08:00")
    assert (change["answered"], change["answered_within_3min"], change["response_ms_sum"]) == (1, 0, 600_000)


@pytest.mark.parametrize(("replied", "within"), [("09:03:00", 1), ("09:03:00.001", 0)])
def test_within_three_minutes_has_its_end_in_it(replied: str, within: int) -> None:
    change = answer("2025-11-11T09:00:00+08:00", f"2025-11-11T{replied}+08:00")
    assert change is not None
    assert change["answered_within_3min"] == within


def test_midnight_in_the_shops_zone_ends_a_round() -> None:
    assert answer("2025-11-11T23:59:00+08:00", "2025-11-12T00:00:00+08:00") is None
    assert answer("2025-11-11T23:59:00+08:00", "2025-11-11T23:59:59.999+08:00") is not None


def test_an_automatic_message_answers_nothing() -> None:
    assert answer("2025-11-11T09:00:00+08:00", "2025-11-11T09:00:01+08:00", reply_mode="auto") is None
    assert answer("2025-11-11T09:00:00+08:00", "2025-11-11T09:00:01+08:00", reply_mode="assisted") is not None


def test_the_score_counts_right_missing_and_extra_windows() -> None:
    window = ("s", "s:a", 0, 300_000, "all")
    other = ("s", "s:a", 300_000, 300_000, "all")
    real = {window: (2, 1, 1, 5_000), other: (1, 1, 0, 200_000)}
    found = {window: (2, 1, 1, 5_000), ("s", "s:b", 0, 300_000, "all"): (1, 3, 0, 0)}
    assert truth.score(found, real) == truth.Score(correct=1, total=2, extra=1, responses=4, responses_total=2)
    assert truth.score({**real, window: (2, 1, 1, 5_001)}, real).correct == 1


def test_of_our_workers_records_each_partitions_newest_share_counts() -> None:
    def share(partition: int, revision: int, rounds: int) -> tuple[bytes, dict[str, int]]:
        return b"window", {"partition": partition, "revision": revision, "rounds": rounds}

    written = [share(0, 5, 1), share(1, 2, 7), share(0, 9, 2), share(0, 7, 3), share(0, 9, 4)]
    assert sorted(one["rounds"] for one in own.standing(written)) == [4, 7]
