"""`zhengdian replay` under two rulesets and `zhengdian diff`, on a day small enough to judge by hand."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from oracle.making import Scene

from deploy import cli

RULES = Path(__file__).parents[2] / "processors" / "rulesets" / "default.yaml"


def run(*args: object) -> int:
    return cli.run([str(arg) for arg in args])


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHENGDIAN_RULES", raising=False)


def compared(tmp_path: Path, scene: Scene, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The scene replayed under the packaged ruleset and under a copy with one line changed, as --format json has it."""
    text = RULES.read_text(encoding="utf-8")
    assert text.count(old) == 1
    candidate = text.replace(old, new)
    assert sum(x != y for x, y in zip(text.splitlines(), candidate.splitlines(), strict=True)) == 1
    (tmp_path / "candidate.yaml").write_text(candidate, encoding="utf-8")
    (tmp_path / "day.jsonl").write_bytes(b"\n".join(map(orjson.dumps, scene.events)))
    assert run("replay", tmp_path / "day.jsonl", "--out", tmp_path / "a") == 0
    assert run("replay", tmp_path / "day.jsonl", "--out", tmp_path / "b", "--rules", tmp_path / "candidate.yaml") == 0
    capsys.readouterr()
    assert run("diff", tmp_path / "a", tmp_path / "b", "--format", "json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def messages(flags: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((flag["rule"], flag["message_id"]) for flag in flags)


def asked_and_answered(scene: Scene, buyer: str, *seconds: float) -> None:
    """One round after the other from 10:00 on, ten minutes apart, replies named buyer-1, buyer-2, …"""
    for number, waited in enumerate(seconds, 1):
        asked = 10 * 60 + number * 10
        scene.asks(f"11 {asked // 60:02d}:{asked % 60:02d}:00", buyer=buyer)
        whole = asked * 60 + int(waited)
        replied = f"11 {whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{round(waited % 1 * 1000):03d}"
        scene.says(replied, buyer=buyer, event_id=f"{buyer}-{number}")


def test_slow_from_120_s_to_90_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    asked_and_answered(scene, "quick", 89, 90, 30, 90)  # exactly 90 s is not over 90 s: neither
    asked_and_answered(scene, "new", 95, 91, 90.001)  # third over 90 s, none over 120 s: raised
    asked_and_answered(scene, "two", 95, 130)  # two are not three: neither
    asked_and_answered(scene, "slow", 121, 130, 140)  # over both: as it was
    asked_and_answered(scene, "earlier", 100, 130, 125, 121)  # third over 120 s is the 4th reply, over 90 s the 3rd
    found = compared(tmp_path, scene, "slow_after_ms: 120000", "slow_after_ms: 90000", capsys)
    flags = found["flags"]
    assert messages(flags["raised"]) == [("response.slow", "earlier-3"), ("response.slow", "new-3")]
    assert messages(flags["cleared"]) == [("response.slow", "earlier-4")]
    assert flags["changed"] == []
    assert (flags["in_a"], flags["in_b"]) == (2, 3)
    counts = {"in_a": 2, "in_b": 3, "raised": 2, "cleared": 1, "changed": 0}
    assert flags["by_rule"] == [{"rule": "response.slow"} | counts]
    assert flags["by_agent"] == [{"shop_id": "s1", "agent_id": "a1"} | counts]
    for name in ("call_tasks", "response_rounds", "response_windows", "leaderboard"):
        rest = {key: value for key, value in found[name].items() if key not in ("in_a", "in_b")}
        assert not any(rest.values()), name
    assert (found["differs"], found["rejected"]) == (True, [])
    assert found["warnings"] == ["same_ruleset"]  # the copy kept its name and version


def test_same_day_basis_without_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    scene.places("11 20:00", order="o1")
    scene.says("11 20:10", "亲,您的订单还没有付款哦", event_id="today")  # a notice for the order alone: cleared
    scene.pays("11 20:40", order="o2")
    scene.says("11 20:50", "记得付款", event_id="both")  # paid that day too: still a violation, on one basis less
    scene.says("12 09:00", "记得付款", event_id="next-day")  # neither basis: repeated alone, as it was
    scene.places("12 10:00", order="o3", buyer="b2")
    scene.says("12 10:30", "赶紧付款!", buyer="b2", event_id="blunt")  # blunt as before, same day no longer
    found = compared(tmp_path, scene, "same_day_basis: [payment, order]", "same_day_basis: [payment]", capsys)
    flags = found["flags"]
    assert flags["raised"] == []
    assert messages(flags["cleared"]) == [("reminder.same_day", "blunt"), ("reminder.same_day", "today")]
    (changed,) = flags["changed"]
    assert (changed["row"]["rule"], changed["row"]["message_id"]) == ("reminder.same_day", "both")
    assert changed["fields"] == {
        "evidence.basis": {"a": ["payment", "order"], "b": ["payment"]},
        "evidence.order_ids": {"a": ["o1"], "b": None},
    }
    assert {group["rule"]: (group["in_a"], group["in_b"]) for group in flags["by_rule"]} == {
        "reminder.direct": (1, 1),
        "reminder.repeated": (2, 2),
        "reminder.same_day": (3, 1),
    }


def test_a_shorter_memory_for_credit_moves_ranks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene()
    for agent, minutes, amount in (("early", 10, "300.00"), ("late", 50, "200.00")):
        scene.says(f"11 20:{minutes}:00", agent=agent, buyer=agent)
        scene.places("11 20:55", order=agent, buyer=agent, amount=amount)
        scene.pays("11 20:56", order=agent, buyer=agent, amount=amount)
    board = compared(tmp_path, scene, "horizon_minutes: 1440", "horizon_minutes: 30", capsys)["leaderboard"]
    hour = {"shop_id": "s1", "hour_start": "2026-11-11T20:00:00+08:00"}
    assert board["moved"] == [
        hour | {"agent_id": "early", "from": 1, "to": 2, "by": -1},
        hour | {"agent_id": "late", "from": 2, "to": 1, "by": 1},
    ]
    assert board["agents_moved"] == 2
    assert [(row["agent_id"], row["paid_amount"]) for row in board["new"]] == [("", "300.00")]
    capsys.readouterr()
    assert run("diff", tmp_path / "a", tmp_path / "b", "--format", "html", "--out", tmp_path / "report.html") == 0
    assert "2 名客服排名变化" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert run("diff", tmp_path / "a", tmp_path / "b") == 0
    table = capsys.readouterr().out
    assert "2 agents change rank" in table
    assert "1 → 2" in table


def test_an_agent_who_loses_the_credit_of_an_hour_leaves_its_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene()
    for agent, time in (("early", "11 19:50"), ("late", "11 20:50")):
        scene.says(time, agent=agent, buyer=agent)
        scene.places("11 20:55", order=agent, buyer=agent)
        scene.pays("11 20:56", order=agent, buyer=agent)
    board = compared(tmp_path, scene, "horizon_minutes: 1440", "horizon_minutes: 30", capsys)["leaderboard"]
    (moved,) = (move for move in board["moved"] if move["agent_id"] == "early")
    assert (moved["hour_start"][11:16], moved["from"], moved["to"], moved["by"]) == ("20:00", 1, None, None)
    assert run("diff", tmp_path / "a", tmp_path / "b") == 0
    table = capsys.readouterr().out
    assert "early   1 → – (off the board)" in table
    assert "(silent)   only in B: orders placed: 1; orders paid: 1; paid: 100.00" in table


def test_the_shop_has_a_column_only_beside_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shops in (("one", ["s1"]), ("two", ["s1", "s2"])):
        scene = Scene()
        for shop in shops:
            scene.says("11 20:00", "也许不行", shop=shop)
        (tmp_path / "day.jsonl").write_bytes(b"\n".join(map(orjson.dumps, scene.events)))
        assert run("replay", tmp_path / "day.jsonl", "--out", tmp_path / name) == 0
    (tmp_path / "day.jsonl").write_bytes(b"")
    assert run("replay", tmp_path / "day.jsonl", "--out", tmp_path / "none") == 0
    capsys.readouterr()
    assert run("diff", tmp_path / "none", tmp_path / "one") == 0
    table = capsys.readouterr().out
    assert "shop: s1" in table
    assert "shop  " not in table
    # s1 is the same in both, but a row of s2 must still say whose it is
    assert run("diff", tmp_path / "one", tmp_path / "two") == 0
    table = capsys.readouterr().out
    assert "shop   agent" in table
    assert "shop: " not in table


def test_a_directory_whose_name_is_no_utf_8_is_compared(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = result / os.fsdecode(b"a\xff")
    (result / "a").rename(odd)
    for output in ("json", "html", "table"):
        assert run("diff", odd, odd, "--format", output) == 0
        assert r"a\\xff" if output == "json" else r"a\xff" in capsys.readouterr().out


@pytest.fixture
def result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    scene = Scene(buyer="b-1234567", agent="[red]\x1b[31ma")
    for number in range(30):
        scene.says(f"11 20:{number:02d}", "也许不行")
    (tmp_path / "day.jsonl").write_bytes(b"\n".join(map(orjson.dumps, scene.events)))
    (tmp_path / "none.jsonl").write_bytes(b"")
    assert run("replay", tmp_path / "day.jsonl", "--out", tmp_path / "a") == 0
    assert run("replay", tmp_path / "none.jsonl", "--out", tmp_path / "none") == 0
    capsys.readouterr()
    return tmp_path


def test_exit_codes(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", result / "a", result / "none") == 0
    assert run("diff", result / "a", result / "none", "--exit-code") == 1
    assert run("diff", result / "a", result / "a", "--exit-code") == 0
    assert capsys.readouterr().err == ""
    (result / "none" / "flags.jsonl").unlink()
    for code, *args in (
        (2, result / "a", result / "nowhere"),
        (2, result / "a", result / "day.jsonl"),
        (1, result / "a", result / "none"),
        (2, result / "a", result / "a", "--tolerance", "-0.1"),
        (2, result / "a", result / "a", "--tolerance", "nan"),
        (2, result / "a", result / "a", "--out", result / "x"),
        (2, result / "a", result / "a", "--format", "html", "--out", result / "a"),
        (1, result / "a", result / "a", "--format", "html", "--out", result / "no" / "x"),
    ):
        assert run("diff", *args) == code, args
        error = capsys.readouterr().err
        assert error.startswith("zhengdian: ")
        assert error.count("\n") == 1


def test_a_full_disk_leaves_the_old_report_and_nothing_half(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = result / "report.json"
    report.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        assert run("diff", result / "a", result / "none", "--format", "json", "--out", report) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "report.json: File too large" in capsys.readouterr().err
    assert [path.name for path in result.glob("*report*")] == ["report.json"]
    assert report.read_bytes() == b"old"


def test_the_table_is_limited_and_masked_and_json_is_neither(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diff", result / "none", result / "a", "--limit", "5") == 0
    table = capsys.readouterr().out
    assert "warning: The numbers of input lines or of accepted events differ" in table
    assert "flags raised: only in B (60)" in table
    assert "… 55 more" in table
    assert "b***67" in table
    assert "[red]\N{REPLACEMENT CHARACTER}[31ma" in table  # no markup, no escape sequence
    assert "\x1b" not in table
    assert "b-1234567" not in table
    assert run("diff", result / "none", result / "a", "--limit", "5", "--show-buyers") == 0
    assert "b-1234567" in capsys.readouterr().out
    assert run("diff", result / "none", result / "a", "--format", "json", "--limit", "5") == 0
    raised = json.loads(capsys.readouterr().out)["flags"]["raised"]
    assert len(raised) == 60
    assert {flag["buyer_id"] for flag in raised} == {"b-1234567"}


def test_a_closed_pipe_is_no_difference(result: Path) -> None:
    args = [sys.executable, "-m", "deploy.cli", "diff", str(result / "none"), str(result / "a"), "--limit", "60"]
    process = subprocess.Popen(args, cwd=RULES.parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (141, b"")
