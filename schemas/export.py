"""The contract for machines: JSON Schema of every event and output, and one AsyncAPI 3.0 document of all topics.

Both are made from the models and the list of topics, so they can't say anything else than the code does.
"""

import json
from importlib import resources
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from schemas.events import EVENT_MODELS
from schemas.outputs import OUTPUT_MODELS
from schemas.topics import TOPICS, Topic, partitions_of

Json = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DAY_MS: Final = 86_400_000
_KAFKA_BINDING: Final = "0.5.0"


def _type_of(model: type[BaseModel]) -> str:
    kind = model.model_fields["type"].annotation
    return str(kind.__args__[0])  # type: ignore[union-attr]


EVENT_MODEL_OF_TYPE: Final[dict[str, type[BaseModel]]] = {_type_of(model): model for model in EVENT_MODELS}
"""event type -> model of the whole CloudEvent"""


def message_names() -> tuple[str, ...]:
    """The names of all messages: event types, then outputs."""
    return (*EVENT_MODEL_OF_TYPE, *OUTPUT_MODELS)


def example(name: str) -> Json:
    """The example of that event type or output, from `schemas/examples`. Raises FileNotFoundError for another name."""
    text = (resources.files("schemas") / "examples" / f"{name}.json").read_text(encoding="utf-8")
    loaded: Json = json.loads(text)
    return loaded


def json_schema(name: str) -> Json:
    """JSON Schema (2020-12) of that event type or output, with its example. Raises KeyError for another name."""
    model, mode = _model(name)
    schema = model.model_json_schema(mode=mode)
    return {"$schema": _DIALECT, "$id": f"urn:zhengdian:schema:{name}", **schema, "examples": [example(name)]}


def asyncapi() -> Json:
    """The AsyncAPI 3.0 document: each topic a channel with its key, partitions, retention and messages."""
    models = [_model(name) for name in message_names()]
    references, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    messages = {
        name: _message(name, references[_model(name)])
        for topic in TOPICS
        for name in topic.types
        if topic.kind != "state"
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Zhengdian",
            "version": "1.0.0",
            "description": "Topics of the service-quality audit pipeline: the facts that go in and the results that come out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic)},
        "components": {"messages": messages, "schemas": definitions.get("$defs", {})},
    }


def export_files() -> dict[str, bytes]:
    """All files of the export: relative path -> content (UTF-8, indented JSON)."""
    files = {f"events/{name}.json": json_schema(name) for name in EVENT_MODEL_OF_TYPE}
    files |= {f"outputs/{name}.json": json_schema(name) for name in OUTPUT_MODELS}
    files["asyncapi.json"] = asyncapi()
    return {
        path: (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode() for path, content in files.items()
    }


def _model(name: str) -> tuple[type[BaseModel], JsonSchemaMode]:
    """Events are read, outputs are written: the schema of each is of that side."""
    if name in EVENT_MODEL_OF_TYPE:
        return EVENT_MODEL_OF_TYPE[name], "validation"
    return OUTPUT_MODELS[name], "serialization"


def _message(name: str, payload: Json) -> Json:
    model, _ = _model(name)
    message: Json = {"name": name, "title": name, "payload": payload, "examples": [{"payload": example(name)}]}
    if "specversion" in model.model_fields:
        message["contentType"] = "application/cloudevents+json"
    if name not in EVENT_MODEL_OF_TYPE and model.__doc__:
        message["summary"] = model.__doc__.strip()
    return message


def _channel(topic: Topic) -> Json:
    configuration: Json = {"cleanup.policy": ["compact"] if topic.compacted else ["delete"]}
    if topic.retention_days is not None:
        configuration["retention.ms"] = -1 if topic.retention_days < 0 else topic.retention_days * _DAY_MS
    channel: Json = {
        "address": topic.name,
        "description": f"{topic.text}; key: {topic.key}",
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": partitions_of(topic),
                "topicConfiguration": configuration,
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }
    if topic.kind != "state":
        channel["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in topic.types}
    return channel


def _operations(topic: Topic) -> list[tuple[str, Json]]:
    """As AsyncAPI has it, from this application's side: it receives facts, sends results, and does both with commands."""
    actions = {"source": ("receive",), "reference": ("receive",), "command": ("send", "receive")}.get(
        topic.kind, ("send",)
    )
    if topic.kind == "state":
        return []
    return [
        (f"{action}:{topic.name}", {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}})
        for action in actions
    ]
