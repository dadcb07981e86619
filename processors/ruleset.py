"""Reading rulesets, and which one is in force (contract sections 2 and 3).

A file holds one version or several, as YAML documents. Each is deep-merged over the one before it (by
`effective_from`), the first over the packaged default; `shops` holds partial settings, merged over the whole
document for that shop. Mappings merge, everything else (lists too) is replaced.
"""

import re
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError

from processors.ruleset_fields import DAY_MS, instant
from processors.ruleset_model import (
    OTHER_CATEGORY,
    Document,
    Hours,
    Rules,
    Settings,
    compile_rules,
    within,
)

__all__ = [
    "DAY_MS",
    "OTHER_CATEGORY",
    "Hours",
    "Rules",
    "RulesetBook",
    "RulesetError",
    "default_book",
    "json_schema",
    "load_book",
    "parse_rulesets",
    "within",
]

_Model = TypeVar("_Model", bound=Settings)
_OWN: Final = ("version", "effective_from")
"""What a version says of itself and doesn't inherit."""
_PER_DOCUMENT: Final = ("name", *_OWN, "shops")
"""What a shop can't override."""


class RulesetError(ValueError):
    """A ruleset file that can't be used; the message is one line that names file, document and field."""


class RulesetBook:
    """All versions of a ruleset, compiled for each shop that has settings of its own. Immutable."""

    __slots__ = ("_common", "_documents", "_shops", "versions")

    def __init__(self, documents: Sequence[tuple[Document, Mapping[str, Settings]]]) -> None:
        """`documents`: each version with the merged settings of its shops, in order of `effective_from`."""
        self._documents = documents
        self.versions: Final = tuple(f"{document.name}@{document.version}" for document, _ in documents)
        """The labels (name@version), oldest first."""
        starts = tuple(
            -(2**63) if document.effective_from is None else round(document.effective_from.timestamp() * 1000)
            for document, _ in documents
        )

        def compiled(shop_id: str | None) -> tuple[tuple[int, ...], tuple[Rules, ...]]:
            chosen = [document if shop_id is None else shops.get(shop_id, document) for document, shops in documents]
            timezone = chosen[-1].timezone
            return starts, tuple(
                compile_rules(settings, label, timezone) for settings, label in zip(chosen, self.versions, strict=True)
            )

        self._common = compiled(None)
        self._shops = {shop_id: compiled(shop_id) for _, shops in documents for shop_id in shops}

    def __reduce__(self) -> tuple[Any, ...]:
        # what is compiled can't be pickled
        return RulesetBook, (self._documents,)

    def at(self, shop_id: str, time_ms: int) -> Rules:
        """The rules in force for `shop_id` at `time_ms` (Unix milliseconds); the earliest version before the first."""
        starts, rules = self._shops.get(shop_id, self._common)
        if len(rules) == 1:
            return rules[0]
        return rules[max(bisect_right(starts, time_ms) - 1, 0)]

    @property
    def own_shops(self) -> tuple[str, ...]:
        """The shops that have settings of their own."""
        return tuple(self._shops)

    def session_gap_ms(self, shop_id: str, earlier_ms: int, later_ms: int) -> int:
        """The gap that parts sessions between two neighbouring messages: the smallest in force at any time between them.

        So a message between two that belong together can only belong to both: less time, and no smaller gap.
        """
        starts, rules = self._shops.get(shop_id, self._common)
        if len(rules) == 1:
            return rules[0].session_gap_ms
        first = max(bisect_right(starts, earlier_ms) - 1, 0)
        return min(version.session_gap_ms for version in rules[first : max(bisect_right(starts, later_ms), 1)])

    def history(self, shop_id: str) -> tuple[tuple[int, Rules], ...]:
        """The shop's rules with the Unix milliseconds from which they are in force, oldest first; the first for all before."""
        return tuple(zip(*self._shops.get(shop_id, self._common), strict=True))

    def timezone(self, shop_id: str) -> str:
        """The IANA time zone of `shop_id`: the newest version's, for every time."""
        return self._shops.get(shop_id, self._common)[1][-1].timezone


def parse_rulesets(text: str, *, source: str = "<ruleset>") -> RulesetBook:
    """The book of a user's file, merged over the packaged default. `source` names it in errors.

    Each document needs its own `version`, the first also a `name`: results are labelled with both, so a changed
    default must not pass for the packaged one. Raises RulesetError.
    """
    base = _read(_packaged(), "default.yaml")[0]
    return _parse(text, source, {key: value for key, value in base.items() if key != "name"})


def load_book(text: str | None, source: str) -> RulesetBook:
    """`parse_rulesets` of `text`, or the packaged default where a user has no file. Raises RulesetError."""
    return default_book() if text is None else parse_rulesets(text, source=source)


@cache
def default_book() -> RulesetBook:
    """The packaged ruleset, `default@1`."""
    return _parse(_packaged(), "default.yaml", {})


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one document of a ruleset file. Only `version` is required: the rest is inherited."""
    schema, settings = Document.model_json_schema(), Settings.model_json_schema()
    schema["$defs"] |= settings.pop("$defs") | {"Settings": settings}
    schema["properties"]["shops"]["additionalProperties"] = {"$ref": "#/$defs/Settings"}
    for part in schema["$defs"].values():
        part.pop("required", None)
    schema["required"] = ["version"]
    return schema


def _packaged() -> str:
    return (resources.files("processors") / "rulesets" / "default.yaml").read_text(encoding="utf-8")


# ---- documents ---------------------------------------------------------------------------------------------------


def _parse(text: str, source: str, base: Mapping[str, Any]) -> RulesetBook:
    raw = _read(text, source)
    places = [f"{source}: document {number}" for number in range(1, len(raw) + 1)]
    # the order of inheritance is that of time, so the times are checked before anything is merged
    order = sorted(
        (_effective_from(document, place), number)
        for number, (document, place) in enumerate(zip(raw, places, strict=True))
    )
    for (earlier, _), (later, number) in pairwise(order):
        if earlier == later:
            given = raw[number].get("effective_from")
            problem = f"another document has {given} too" if given else "is missing, and so it is in another document"
            raise RulesetError(f"{places[number]}: effective_from: {problem}")
    documents: list[tuple[Document, dict[str, Settings]]] = []
    labels: set[str] = set()
    inherited = base
    for _, number in order:
        document, place = raw[number], places[number]
        merged = _merge({key: value for key, value in inherited.items() if key not in _OWN}, document)
        checked = _validate(Document, merged, place)
        label = f"{checked.name}@{checked.version}"
        if label in labels:
            raise RulesetError(f"{place}: version: another document is {label} too")
        labels.add(label)
        documents.append((checked, _shops(checked, merged, place)))
        inherited = merged
    return RulesetBook(documents)


def _effective_from(document: Mapping[str, Any], place: str) -> float:
    """Its Unix time in seconds, or minus infinity."""
    given = document.get("effective_from")
    if given is None:
        return float("-inf")
    try:
        return instant(given).timestamp()
    except ValueError as error:
        raise RulesetError(f"{place}: effective_from: {error}, got {_shown(given)}") from None


def _shops(document: Document, merged: Mapping[str, Any], place: str) -> dict[str, Settings]:
    common = {key: value for key, value in merged.items() if key not in _PER_DOCUMENT}
    return {
        shop_id: _validate(Settings, _merge(common, overrides), f"{place}: shops.{shop_id}", joint=".")
        for shop_id, overrides in document.shops.items()
    }


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` over `base`: mappings merge key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        before = merged.get(key)
        merged[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _validate(model: type[_Model], data: Mapping[str, Any], place: str, joint: str = ": ") -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RulesetError(place + joint + _why(error)) from None


def _why(error: ValidationError) -> str:
    """The first problem as `field.path: what is wrong, got what`."""
    first = error.errors(include_url=False)[0]
    loc = [part for part in first["loc"] if part != "[key]"]  # pydantic's mark of a bad key
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    match first["type"]:
        case "missing":
            return f"{path}: is missing"
        case "extra_forbidden":
            return f"{path}: is not a setting"
        case "value_error":
            message = str(first["ctx"]["error"])
            if not path:  # a check across fields, which names its own path
                return message
        case "greater_than" if isinstance(first["input"], int):
            message = "must be a positive integer"
        case "model_type" | "dict_type":
            message = "must be a mapping"
        case "tuple_type":
            message = "must be a list"
        case _:
            message = re.sub(r"^(Decimal input|Input|String|Tuple) should", "must", first["msg"])
    return f"{path}: {message}, got {_shown(first['input'])}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Loader(yaml.SafeLoader):
    """YAML with the scalars of version 1.2: 10:00 is text and not 600, a time is text, `no` is text; and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
            if key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"  # a shop id like 10086 is a name, not a number
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|", ["~", "n", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _read(text: str, source: str) -> list[dict[str, Any]]:
    """The file's documents as plain mappings."""
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise RulesetError(f"{source}: {where}not readable as YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RulesetError(f"{source}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not documents:
        raise RulesetError(f"{source}: is empty")
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise RulesetError(f"{source}: document {number}: must be a mapping of settings")
    return documents
