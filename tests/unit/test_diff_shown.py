"""`replay.diff`: how a comparison is shown to people."""

from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import orjson
import pytest
from diff_results import board, flags_only, window, with_rows
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from rich.console import Console

from replay.diff import texts
from replay.diff.as_json import as_json
from replay.diff.compare import compare
from replay.diff.model import FLAGS, LEADERBOARD, TASKS, WINDOWS, Move, Table
from replay.diff.report import as_html
from replay.diff.table import TablePrinter
from replay.diff.texts import _TEXTS, Texts
from replay.diff.words import changes, headline, largest_first, listed, masked
from schemas.events import Reason, Role
from schemas.outputs import CallTask, Flag, LeaderboardRow, ResponseWindow
from web.texts import texts as web_texts


def test_results_that_differ_within_the_tolerance_are_not_called_the_same(tmp_path: Path) -> None:
    a = with_rows(flags_only(tmp_path / "a"), WINDOWS, window(), window(300), window(86400))
    b = with_rows(
        flags_only(tmp_path / "b", in_sale_event=True),
        WINDOWS,
        *(window(avg_response_ms=1010.0), window(300, avg_response_ms=990.0), window(86400)),
    )
    assert len(compare(a, b).windows.changed) == 2
    diff = compare(a, b, tolerance=0.05)
    assert not diff.differs
    assert as_json(diff)["response_windows"]["within_tolerance"] == diff.windows.within == 2
    assert headline(diff, Texts("zh")) == (
        "没有超出容差 5 % 的差异；容差之内有 2 个响应时段不同；1 条标记“是否在大促期间”不同，不计入变化。"
    )
    assert "Nothing differs beyond the tolerance of 5 %" in headline(diff, Texts("en"))
    same = compare(a, a, tolerance=0.05)
    assert headline(same, Texts("zh")) == "两次结果完全一致。"
    assert same.windows.within == 0


def test_the_headline_names_windows_and_board_rows_beside_flags(tmp_path: Path) -> None:
    a = with_rows(flags_only(tmp_path / "a"), WINDOWS, window(rounds=4))
    b = with_rows(with_rows(flags_only(tmp_path / "b", flag_id="f-2"), WINDOWS, window()), LEADERBOARD, board(None, ""))
    assert headline(compare(a, b), Texts("zh")) == (
        "结果 B 与结果 A 相比，多标记 1 条，少标记 1 条；业绩榜 1 行有变化；响应时段 1 个有变化。"
    )


def test_windows_are_listed_by_size_with_the_figures_of_those_on_one_side(tmp_path: Path) -> None:
    a = with_rows(flags_only(tmp_path / "a"), WINDOWS, window(300, pending=0, p50_ms=None), window(3600))
    b = with_rows(flags_only(tmp_path / "b"), WINDOWS, window(3600, rounds=4), window(86400))
    rows = listed(WINDOWS, compare(a, b).windows, Texts("en"))
    assert [(each.row["window_seconds"], each.only) for each in rows] == [
        (86400, "only in B"),
        (3600, ""),
        (300, "only in A"),
    ]
    assert rows[1].changes == [("rounds", "3", "4")]
    assert rows[2].figures == [("rounds", "3"), ("average response", "1 s")]


def test_the_largest_moves_are_shown_first() -> None:
    moves = [Move("s", "h", str(number), *pair) for number, pair in enumerate([(1, 2), (None, 9), (9, 2), (1, 4)])]
    assert [move.agent_id for move in largest_first(moves)] == ["1", "2", "3", "0"]


NUMBERS = st.one_of(st.integers(0, 10**7), st.floats(0, 10**7, allow_nan=False), st.none())


@given(
    st.sampled_from(["avg_response_ms", "p50_ms", "rate_3min", "rounds", "evidence.seconds_since"]), NUMBERS, NUMBERS
)
def test_what_differs_is_shown_to_differ(name: str, before: Any, after: Any) -> None:
    if before != after:
        ((_, shown_before, shown_after),) = changes({name: (before, after)}, Texts("zh"))
        assert shown_before != shown_after


@pytest.mark.parametrize(
    ("name", "before", "after", "shown"),
    [
        ("avg_response_ms", 25304, 25312, ("25.304 s", "25.312 s")),
        ("p90_ms", 90_100, 90_200, ("90.100 s", "90.200 s")),
        ("p90_ms", 25_000, 90_200, ("25 s", "1 min 30 s")),
        ("rate_3min", 0.98111, 0.98122, ("98.111%", "98.122%")),
        ("avg_response_ms", 1.0001, 1.0002, ("1.0001", "1.0002")),
        ("due_at", "2026-11-11T20:00:00.100+08:00", "2026-11-11T20:00:00.200+08:00", ("20:00:00.100", "20:00:00.200")),
        ("evidence.phrases", [{"phrase": "x", "start": 0}], [{"phrase": "x", "start": 1}], ('"start":0', '"start":1')),
        ("outcome", None, "", ("null", '""')),
    ],
)
def test_values_that_would_look_alike_are_shown_more_precisely(
    name: str, before: Any, after: Any, shown: tuple[str, str]
) -> None:
    ((_, *found),) = changes({name: (before, after)}, Texts("en"))
    assert all(part in text for part, text in zip(shown, found, strict=True)), found


def test_the_report_escapes_what_others_wrote_and_masks_buyers(tmp_path: Path) -> None:
    hostile = {"flag_id": "f-2", "agent_id": "<img src=x onerror=alert(1)>"}
    phrase = {"phrase": "<svg onload=alert(2)>\x1b[31m", "start": 0, "end": 2}  # a ruleset's words are anybody's too
    evidence = {"text": "<script>alert(1)</script>", "phrases": [phrase]}
    diff = compare(flags_only(tmp_path / "a"), flags_only(tmp_path / "b", **hostile, evidence=evidence))
    page = as_html(diff, "zh")
    assert "「&lt;svg onload=alert(2)&gt;\N{REPLACEMENT CHARACTER}[31m」" in page
    assert "<svg" not in page
    console = Console(file=StringIO(), width=200)
    TablePrinter(console, 20, show_buyers=False).print(diff)
    assert isinstance(console.file, StringIO)
    table = console.file.getvalue()
    assert "「<svg onload=alert(2)>\N{REPLACEMENT CHARACTER}[31m」" in table
    assert "\x1b" not in table
    assert "\x1b" not in page
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "b***77" in page
    assert "buyer-" not in page
    assert "buyer-&lt;b&gt;77" in as_html(diff, "zh", show_buyers=True)
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched


@pytest.mark.parametrize(
    ("buyer", "seen"), [("", "***"), ("b7", "***"), ("b77", "b***7"), ("张三丰", "张***丰"), ("b-000123", "b***23")]
)
def test_a_masked_buyer_cannot_be_read_off(buyer: str, seen: str) -> None:
    assert masked(buyer) == seen


def test_the_report_calls_rules_what_the_wallboard_calls_them() -> None:
    for lang in ("zh", "en"):
        rules = {key: text for key, text in web_texts(lang).items() if key.startswith("rule.")}
        assert {key: Texts(lang)(key) for key in _TEXTS if key.startswith("rule.")} == rules


@pytest.mark.parametrize(
    ("table", "model"), [(FLAGS, Flag), (TASKS, CallTask), (WINDOWS, ResponseWindow), (LEADERBOARD, LeaderboardRow)]
)
def test_every_field_that_can_change_has_a_name(table: Table, model: type[BaseModel]) -> None:
    fixed = {*table.key, *table.ignored, "buyer_id", "message_id", "review_id", "order_id", "rule", "evidence"}
    assert {name for name in {*model.model_fields} - fixed if f"field.{name}" not in _TEXTS} == set()


def literals(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Each field of fixed values, with each of them."""
    fields = model.model_fields.items()
    return [
        (name, each) for name, f in fields if get_origin(f.annotation) is Literal for each in get_args(f.annotation)
    ]


def test_every_value_that_can_occur_has_a_name_in_both_languages() -> None:
    values = {*literals(Flag), *literals(CallTask)}
    values |= {("assigned_role", role) for role in get_args(Role)} | {("reason", reason) for reason in get_args(Reason)}
    values |= {("size" if name == "window_seconds" else name, str(value)) for name, value in literals(ResponseWindow)}
    assert {"rule", "severity", "status", "qc_status", "category", "priority", "definition"} <= {n for n, _ in values}
    assert {f"{name}.{value}" for name, value in values if f"{name}.{value}" not in _TEXTS} == set()
    assert {value for name, value in values if Texts("zh").name(name, value) == value} == set()
    for name in {name for name, _ in values}:  # or two values that differ would look alike
        for lang in ("zh", "en"):
            names = [Texts(lang).name(name, value) for kind, value in values if kind == name]
            assert len(names) == len({*names}), name


def test_a_task_is_described_in_the_reports_language(tmp_path: Path) -> None:
    task = {
        "task_id": "t",
        "shop_id": "s",
        "buyer_id": "b",
        "order_id": "o",
        "status": "withdrawn",
        "priority": "normal",
        "category": "price",
    } | dict.fromkeys(("raised_at", "not_before", "due_at"), "2026-11-11T20:00:00+08:00")
    sides = [flags_only(tmp_path / side) for side in "ab"]
    for side, priority in zip(sides, ("normal", "high"), strict=True):
        with_rows(side, TASKS, task | {"priority": priority})
        (side / "summary.json").write_bytes(b"{}")
    page = as_html(compare(*sides), "zh")
    assert "已撤回" in page
    assert "<s>普通</s> → <b>高</b>" in page
    assert "withdrawn" not in page
    assert "normal</" not in page


def many(out: Path, count: int) -> Path:
    """A result of that many flags, of one task, and of one agent on a board."""
    flags_only(out)
    flag = orjson.loads((out / "flags.jsonl").read_bytes())
    with_rows(out, FLAGS, *(flag | {"flag_id": f"{out.name}-{number}"} for number in range(count)))
    (out / "summary.json").write_bytes(b"{}")
    return out


@pytest.mark.parametrize(("count", "folded"), [(50, False), (51, True)])
def test_a_long_list_is_folded_and_comes_after_ranks(tmp_path: Path, count: int, folded: bool) -> None:
    a, b = many(tmp_path / "a", count), with_rows(many(tmp_path / "b", count), LEADERBOARD, board(1, "a"))
    page = as_html(compare(a, b), "en")
    assert page.count("<details>") == (3 if folded else 1)
    places = [
        page.index(f">{title} <small>") for title in ("Ranks moved", "+ Raised", "− Cleared", "Leaderboard figures")
    ]
    assert all(x < y for x, y in pairwise(places))


def test_results_without_flags_say_so(tmp_path: Path) -> None:
    diff = compare(many(tmp_path / "a", 0), many(tmp_path / "b", 0))
    assert "两边都没有标记" in as_html(diff, "zh")


def test_every_text_is_used() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(texts.__file__).parent.iterdir()
        if path.is_file() and path.name != "texts.py"
    )
    looked_up = ("rule", "field", "evidence", "severity", "size", "definition", "basis", "warning", "headline")
    looked_up += ("status", "priority", "category", "assigned_role", "qc_status", "reason")
    unused = {key for key in _TEXTS if f'"{key}"' not in source and key.split(".")[0] not in looked_up}
    assert unused == set()
