"""The container files, the Makefile and the CI script: what they name exists, and nothing is open by default."""

import itertools
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from deploy.cli import app
from deploy.docs import OPERATIONS, refreshed
from deploy.sale import sale_around, write_playable
from schemas.settings import Settings
from schemas.types import parse_time

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
JOBS = {"topics", "migrate"}


def environment(name: str) -> dict[str, str]:
    return dict(SERVICES[name].get("environment", {}))


def test_parts() -> None:
    assert set(SERVICES) == {"kafka", "clickhouse", "worker", "sink", "web"} | JOBS
    assert {"worker", "sink", "web"} | JOBS == OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_service_of_ours_runs_a_command_that_exists(name: str) -> None:
    command = SERVICES[name]["command"]
    context = get_command(app).make_context("zhengdian", list(command), resilient_parsing=False)
    group = context.command
    assert command[0] in group.commands  # type: ignore[attr-defined]
    sub = group.commands[command[0]]  # type: ignore[attr-defined]
    arguments = command[1:]
    while hasattr(sub, "commands"):
        sub = sub.commands[arguments.pop(0)]
    sub.make_context(command[0], list(arguments))


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting_and_its_value_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {key: value for key, value in environment(name).items() if key.startswith("ZHENGDIAN_")}
    known = {f"ZHENGDIAN_{field.upper()}" for field in Settings.model_fields}
    assert set(ours) <= known
    for key, value in ours.items():
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", re.sub(r"\$\{\w+:\?.*?\}", "secret", value)))
    assert Settings().clickhouse == "server"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - JOBS))
def test_long_running_services_have_health_checks_and_restart(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_only_the_web_part_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert all("network_mode" not in service for service in SERVICES.values())


def test_no_default_password() -> None:
    text = (ROOT / "deploy" / "docker-compose.yml").read_text()
    uses = re.findall(r"\$\{CLICKHOUSE_PASSWORD[^}]*\}", text)
    assert len(uses) >= 2
    assert set(uses) == {"${CLICKHOUSE_PASSWORD:?set it}"}
    for name in SERVICES:
        for key, value in environment(name).items():
            if "PASSWORD" in key:
                assert value.startswith("${"), key


def test_volumes_are_declared_and_data_is_kept() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"]) == {"kafka-data", "clickhouse-data"}


def test_dependencies_wait_for_the_right_thing() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if other in JOBS else "service_healthy"
            assert wanted["condition"] == condition


def test_images_are_pinned() -> None:
    docker = (ROOT / "deploy" / "Dockerfile").read_text()
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+)", docker, re.MULTILINE)
    for image in images:
        assert re.search(r":\d+\.\d+\.\d+", image), image


def test_image_copies_every_package_and_runs_as_nobody_special() -> None:
    docker = (ROOT / "deploy" / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert {line.split()[1] for line in docker.splitlines() if re.match(r"COPY \w+ \w+$", line)} == packages
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split()
    assert {f"!{package}" for package in packages} <= set(ignored)
    assert re.search(r"^USER (?!root)\w+", docker, re.MULTILINE)


def test_constraints_satisfy_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {}
    for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", line
            pinned[canonicalize_name(requirement.name)] = specifier.version
    for text in (*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())):
        requirement = Requirement(text)
        if requirement.name == project["name"]:  # one group of its own in another
            continue
        assert canonicalize_name(requirement.name) in pinned, text
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_makefile_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert {"setup", "demo", "test", "test-unit", "lint", "format", "bench", "schemas", "clean", "help"} <= targets
    for target in targets:
        assert f".PHONY: {target}\n" in text, target
    done = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_ci_script_is_sound() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True, timeout=30)


def test_operations_guide_is_current() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert text == refreshed(text), "run: make docs"
    for name in Settings.model_fields:
        assert f"`ZHENGDIAN_{name.upper()}`" in text
    for metric in ("zhengdian_worker_records_total", "zhengdian_sink_rows_total", "zhengdian_web_requests_total"):
        assert f"`{metric}`" in text


NOW = parse_time("2026-11-11T10:20:00+08:00")


def test_demo_sale_lies_around_now() -> None:
    config = sale_around(NOW, shops=1, agents=4, buyers=10, hours=4, seed=1)
    assert config.start == "2026-11-11T08:00:00+08:00"
    for minute in range(60):
        config = sale_around(NOW + minute * 60_000, shops=1, agents=4, buyers=10, hours=4, seed=1)
        assert config.start_ms + 3_600_000 < NOW + minute * 60_000 < config.end_ms - 3_600_000
        assert config.start_ms % 3_600_000 == 0


def test_faster_sale_is_the_same_sale_with_its_future_nearer(tmp_path: Path) -> None:
    config = sale_around(NOW, shops=1, agents=4, buyers=40, hours=4, seed=1)
    checks: list[int] = []
    written = {}
    for speed in (1, 10):
        count = write_playable(config, tmp_path / str(speed), NOW, speed, lambda: checks.append(1))
        lines = [line for path in sorted((tmp_path / str(speed)).iterdir()) for line in path.read_bytes().splitlines()]
        written[speed] = {(event["type"], event["id"]): parse_time(event["time"]) for event in map(json.loads, lines)}
        assert len(written[speed]) == count
    assert checks
    assert written[1].keys() == written[10].keys()
    assert max(written[1].values()) > NOW
    for event, at_ms in written[1].items():
        nearer = at_ms if at_ms <= NOW else NOW + round((at_ms - NOW) / 10)
        assert written[10][event] == nearer
