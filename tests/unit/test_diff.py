"""`replay.diff`: what a comparison finds, whatever the results."""

import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from diff_results import board, flags_only, with_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sale_strategies import sales

from processors.ruleset import default_book, load_book
from replay.diff.as_json import as_json
from replay.diff.compare import compare, match, row_fields
from replay.diff.model import FLAGS, LEADERBOARD, TASKS, WINDOWS, Row, Table, TableDiff
from replay.diff.read import NoResultError, ResultError
from replay.diff.report import as_html
from replay.diff.texts import Texts
from replay.diff.words import headline, listed, rank
from replay.memory import replay

CANDIDATE = """
name: candidate
version: "1"
response: {slow_after_ms: 1000, slow_count: 1, cap_ms: 60000, target_ms: 60000}
reminder: {same_day_basis: [payment]}
attribution: {horizon_minutes: 1}
severity: {reminder.direct: violation}
phrases: {forbidden: [可能], vague: [不行]}
call_task: {high_priority_amount: "50", calling_hours: [["15:00", "16:00"]]}
"""
BOOKS = [default_book(), load_book(CANDIDATE, "candidate")]
LISTED = (FLAGS, TASKS, WINDOWS, LEADERBOARD)


def write_result(sale: list[Row], book: Any, out: Path) -> Path:
    source = out.with_suffix(".jsonl")
    source.write_bytes(b"\n".join(map(orjson.dumps, sale)))
    replay(source, out, book)
    return out


def rows(directory: Path, table: Table) -> list[Row]:
    return [orjson.loads(line) for line in (directory / f"{table.name}.jsonl").read_bytes().splitlines()]


def ranks(directory: Path) -> dict[tuple[str, str, str], int]:
    """The ranks on all boards of a result, by shop, hour and agent."""
    return {
        (row["shop_id"], row["hour_start"], row["agent_id"]): row["rank"]
        for row in rows(directory, LEADERBOARD)
        if row["rank"] is not None
    }


def said(table: Table, row: Row) -> bytes:
    """What a row says, apart from how it came about."""
    kept = {name: value for name, value in row.items() if name not in table.ignored}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def applied(table: Table, before: list[Row], diff: TableDiff) -> list[Row]:
    """`before` with the difference applied to it, by ids alone."""
    by_key = {tuple(row[name] for name in table.key): deepcopy(row) for row in before}
    for row in diff.gone:
        del by_key[tuple(row[name] for name in table.key)]
    for row in diff.new:
        by_key[tuple(row[name] for name in table.key)] = row
    for row, fields in diff.changed:
        target = by_key[tuple(row[name] for name in table.key)]
        for name, (_, after) in fields.items():
            if name.startswith("evidence."):
                target["evidence"][name.removeprefix("evidence.")] = after
                if after is None:
                    del target["evidence"][name.removeprefix("evidence.")]
            else:
                target[name] = after
    return list(by_key.values())


@settings(max_examples=25, deadline=None)
@given(sales, sales, st.sampled_from([(0, 1), (1, 0), (0, 0)]), st.randoms(use_true_random=False))
def test_a_difference_leads_from_a_to_b_and_turned_round_back(
    sale_a: list[Row], sale_b: list[Row], books: tuple[int, int], random: Any
) -> None:
    sale_b = sale_a if books != (0, 0) else sale_b
    with tempfile.TemporaryDirectory() as directory:
        a = write_result(sale_a, BOOKS[books[0]], Path(directory, "a"))
        b = write_result(sale_b, BOOKS[books[1]], Path(directory, "b"))
        there, back = compare(a, b), compare(b, a)
        for table, name in zip(LISTED, ("flags", "tasks", "windows", "leaderboard"), strict=True):
            diff: TableDiff = getattr(there, name)
            turned: TableDiff = getattr(back, name)
            found = applied(table, rows(a, table), diff)
            assert sorted(said(table, row) for row in found) == sorted(said(table, row) for row in rows(b, table))
            assert (diff.new, diff.gone) == (turned.gone, turned.new)
            assert [{n: (y, x) for n, (x, y) in each.fields.items()} for each in diff.changed] == [
                each.fields for each in turned.changed
            ]
        assert (there.rounds.new, there.rounds.gone) == (back.rounds.gone, back.rounds.new)
        for totals in (there.by_rule, there.by_agent):
            assert sum(group.new for group in totals) == len(there.flags.new)
            assert sum(group.gone for group in totals) == len(there.flags.gone)
            assert sum(group.changed for group in totals) == len(there.flags.changed)
            assert sum(group.in_b for group in totals) == len(rows(b, FLAGS)) == there.flags.in_b
        ranks_a, ranks_b = ranks(a), ranks(b)
        assert {(m.shop_id, m.hour_start, m.agent_id): (m.rank_a, m.rank_b) for m in there.moved} == {
            key: (ranks_a.get(key), ranks_b.get(key))
            for key in {*ranks_a, *ranks_b}
            if ranks_a.get(key) != ranks_b.get(key)
        }
        for lang in ("zh", "en"):
            assert as_html(there, lang).count(headline(there, Texts(lang))) == 1

        # the order of lines is nothing to go by
        document = as_json(there)
        for table in LISTED:
            lines = (b / f"{table.name}.jsonl").read_bytes().splitlines(keepends=True)
            random.shuffle(lines)
            (b / f"{table.name}.jsonl").write_bytes(b"".join(lines))
        assert as_json(compare(a, b)) == document

        same = compare(a, a)
        assert not same.differs
        assert same.warnings == []
        assert "一致" in headline(same, Texts("zh"))


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True))
def test_matching_pairs_what_both_have_in_any_order(a: list[int], b: list[int]) -> None:
    def made(ids: list[int], side: str) -> list[Row]:
        return [{"shop_id": "s", "flag_id": number, "side": side if number % 2 else ""} for number in ids]

    pairs = list(match(FLAGS, made(a, "a"), made(b, "b")))
    both = [(x["flag_id"], y["flag_id"]) for x, y in pairs if x is not None and y is not None]
    assert sorted(both) == sorted((number, number) for number in {*a} & {*b})
    assert sorted(x["flag_id"] for x, y in pairs if x is not None and y is None) == sorted({*a} - {*b})
    assert sorted(y["flag_id"] for x, y in pairs if y is not None and x is None) == sorted({*b} - {*a})


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "differs"),
    [
        ({"avg_response_ms": 100.0}, {"avg_response_ms": 100.001}, 0, True),
        ({"avg_response_ms": 95}, {"avg_response_ms": 100}, 0.05, False),
        ({"avg_response_ms": 94}, {"avg_response_ms": 100}, 0.05, True),
        ({"avg_response_ms": 100}, {"avg_response_ms": 94}, 0.05, True),
        ({"avg_response_ms": None}, {"avg_response_ms": 0}, 0.5, True),
        ({"rate_3min": 0}, {"rate_3min": 0.000001}, 0.5, True),
        ({"rounds": 1000}, {"rounds": 1001}, 0.5, True),
        ({"first_within_10s": 1}, {"first_within_10s": 2}, 0.9, True),
        ({"revision": 1, "ruleset": "a@1"}, {"revision": 2, "ruleset": "b@1"}, 0, False),
    ],
)
def test_a_tolerance_is_for_times_and_rates_alone(before: Row, after: Row, tolerance: float, differs: bool) -> None:
    assert bool(row_fields(WINDOWS, before, after, tolerance)) is differs


def test_one_instant_in_two_time_zones_is_no_change() -> None:
    a = {"shop_id": "s", "flag_id": "f", "occurred_at": "2026-11-11T20:00:00+08:00"}
    assert row_fields(FLAGS, a, a | {"occurred_at": "2026-11-11T12:00:00+00:00"}) == {}
    assert row_fields(FLAGS, a, a | {"occurred_at": "2026-11-11T12:00:01+00:00"}).keys() == {"occurred_at"}
    window = {"shop_id": "s", "agent_id": "a", "window_start": "2026-11-11T20:00:00+08:00", "window_seconds": 300}
    (pair,) = match(WINDOWS, [window], [window | {"window_start": "2026-11-11T12:00:00Z"}])
    assert None not in pair


def test_a_flag_in_a_sale_event_on_one_side_only_is_said_but_no_change(tmp_path: Path) -> None:
    a, b = flags_only(tmp_path / "a", in_sale_event=False), flags_only(tmp_path / "b", in_sale_event=True)
    diff = compare(a, b)
    assert (diff.differs, diff.sale_event_only, diff.warnings) == (False, 1, ["sale_events_differ"])
    assert headline(diff, Texts("zh")) == "1 条标记“是否在大促期间”不同，不计入变化；没有其他差异。"
    assert "same" not in headline(diff, Texts("en"))


def test_who_comes_onto_a_board_or_leaves_it_moves_and_the_silent_row_never(tmp_path: Path) -> None:
    a = with_rows(flags_only(tmp_path / "a"), LEADERBOARD, board(1, "off"), board(2, "up"), board(3, "kept"))
    b = with_rows(
        flags_only(tmp_path / "b"), LEADERBOARD, board(1, "up"), board(2, "new"), board(3, "kept"), board(None, "")
    )
    for x, y, turned in ((a, b, False), (b, a, True)):
        diff = compare(x, y)
        found = {(m["agent_id"], m["from"], m["to"], m["by"]) for m in as_json(diff)["leaderboard"]["moved"]}
        expected = {("off", 1, None, None), ("up", 2, 1, 1), ("new", None, 2, None)}
        assert found == ({(n, t, f, by and -by) for n, f, t, by in expected} if turned else expected)
        assert diff.agents_moved == 3
    diff = compare(a, b)
    assert [m.agent_id for m in diff.moved] == ["new", "off", "up"]
    assert {m.agent_id: rank(m, Texts("zh")) for m in diff.moved} == {
        "off": "1 → –（下榜）",
        "new": "– → 2（新上榜）",
        "up": "2 → 1",
    }
    assert rank(diff.moved[1], Texts("en")) == "1 → – (off the board)"
    (silent,) = (each for each in listed(LEADERBOARD, diff.leaderboard, Texts("en")) if not each.row["agent_id"])
    assert (silent.only, silent.figures) == ("only in B", [("orders paid", "2"), ("paid", "30.00")])
    assert "（静默）" in as_html(diff, "zh")


@pytest.mark.parametrize(
    ("more", "moved"),
    [
        ({}, True),
        ({"occurred_at": "2026-11-12T00:30:00+08:00"}, False),  # the same day in UTC, another one in the shop
        ({"agent_id": "a2"}, False),
        ({"buyer_id": "b2"}, False),
        ({"shop_id": "s2"}, False),
        ({"rule": "language.vague"}, False),  # judged message by message: another flag, not the same one moved
    ],
)
def test_a_slow_flag_that_comes_sooner_is_called_moved(tmp_path: Path, more: Row, moved: bool) -> None:
    slow = {"rule": "response.slow", "occurred_at": "2026-11-11T20:10:00+08:00"}
    a = flags_only(tmp_path / "a", **slow | {"rule": more.get("rule", "response.slow")})
    b = flags_only(tmp_path / "b", **slow | {"flag_id": "f-2", "occurred_at": "2026-11-11T20:01:02+08:00"} | more)
    diff = compare(a, b)
    pairs = as_json(diff)["flags"]["moved"]
    assert pairs == ([{"shop_id": "s", "cleared": "f-1", "raised": "f-2"}] if moved else [])
    assert ("其中 1 条只是移到" in headline(diff, Texts("zh"))) is moved
    page = as_html(diff, "zh")
    assert ("同一买家当日，移到 20:01:02" in page) is moved
    assert ("同一买家当日，由 20:10:00 移来" in page) is moved


def test_what_was_rejected_for_another_reason_differs(tmp_path: Path) -> None:
    diff = compare(flags_only(tmp_path / "a"), flags_only(tmp_path / "b", rejected=2))
    assert diff.differs
    assert as_json(diff)["rejected"] == [{"reason": "not_json", "in_a": 0, "in_b": 2}]


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("flags.jsonl", None, r"flags\.jsonl: No such file"),
        ("summary.json", None, r"summary\.json: No such file"),
        ("summary.json", b"{", r"summary\.json: not JSON"),
        ("summary.json", b"[]", r"summary\.json: not a JSON object"),
        ("summary.json", b'{"events": "many"}', r"summary\.json: events is not a count"),
        ("rejected.jsonl", b'{"error": "x"}\n', r"rejected\.jsonl:1: reason"),
        ("call_tasks.jsonl", b'{"task_id": 5}\n', r"call_tasks\.jsonl:1: \w+ is missing"),
        ("response_windows.jsonl", b"\xff\n", r"response_windows\.jsonl:1: not a JSON object"),
        (
            "leaderboard_hourly.jsonl",
            b'{"shop_id":"s","agent_id":"a","hour_start":"x"}\n',
            r":1: hour_start: is not RFC",
        ),
        ("flags.jsonl", b"", r"flags\.jsonl: 0 rows, but summary\.json counts 1"),
    ],
)
def test_a_broken_result_is_refused_by_name(tmp_path: Path, file: str, content: bytes | None, error: str) -> None:
    a, b = flags_only(tmp_path / "a"), flags_only(tmp_path / "b")
    (b / file).unlink()
    if content is not None:
        (b / file).write_bytes(content)
    for pair in ((a, b), (b, a)):
        with pytest.raises(ResultError, match=error):
            compare(*pair)


def test_two_rows_of_one_key_are_refused(tmp_path: Path) -> None:
    a, b = flags_only(tmp_path / "a"), flags_only(tmp_path / "b", flag_id="f-2")
    (b / "flags.jsonl").write_bytes((b / "flags.jsonl").read_bytes() * 2)
    with pytest.raises(ResultError, match=r"flags\.jsonl: two rows of B"):
        compare(a, b)


def test_a_path_that_is_no_directory_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(NoResultError, match="nowhere: no such directory"):
        compare(tmp_path / "nowhere", tmp_path)
