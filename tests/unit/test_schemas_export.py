"""The exported contract: current, complete, and true of its own examples."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.events import parse_event
from schemas.export import EVENT_MODEL_OF_TYPE, asyncapi, example, export_files, json_schema, message_names
from schemas.outputs import OUTPUT_MODELS
from schemas.topics import TOPIC_OF_TYPE, TOPICS

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "schemas"


def test_committed_export_is_current() -> None:
    committed = {path.relative_to(COMMITTED).as_posix(): path.read_bytes() for path in COMMITTED.rglob("*.json")}
    assert committed == export_files(), "run: make schemas"


def test_every_message_has_an_example_and_every_example_a_message() -> None:
    assert {path.stem for path in (ROOT / "schemas" / "examples").glob("*.json")} == set(message_names())
    assert set(EVENT_MODEL_OF_TYPE) == set(TOPIC_OF_TYPE)


@pytest.mark.parametrize("kind", EVENT_MODEL_OF_TYPE)
def test_event_example_is_an_event_of_its_type(kind: str) -> None:
    event = parse_event(json.dumps(example(kind)))
    assert event.type == kind
    assert isinstance(event, EVENT_MODEL_OF_TYPE[kind])


@pytest.mark.parametrize("name", OUTPUT_MODELS)
def test_output_example_is_written_as_its_model_writes(name: str) -> None:
    record = OUTPUT_MODELS[name].model_validate_json(json.dumps(example(name)))
    assert OUTPUT_MODELS[name].model_validate_json(record.model_dump_json()) == record
    assert json.loads(record.model_dump_json()).keys() == example(name).keys()


@pytest.mark.parametrize("name", message_names())
def test_schema_names_what_the_example_has(name: str) -> None:
    schema = json_schema(name)
    assert schema["$id"].endswith(f":{name}")
    assert set(schema.get("required", [])) <= set(schema["examples"][0])
    assert set(schema["examples"][0]) <= set(schema["properties"])


def test_amounts_and_times_are_texts_in_the_schema() -> None:
    payment = json_schema("payment.succeeded")
    assert payment["properties"]["time"]["format"] == "date-time"
    assert payment["$defs"]["PaymentSucceeded"]["properties"]["amount"]["type"] == "string"
    assert json_schema("leaderboard_row")["properties"]["paid_amount"]["type"] == "string"


def test_asyncapi_has_every_topic_and_all_its_references_lead_somewhere() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    for reference in _references(document):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert target
    for topic in TOPICS:
        if topic.kind != "state":
            assert set(document["channels"][topic.name]["messages"]) == set(topic.types)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
