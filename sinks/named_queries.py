"""Queries with a name, kept as files in sinks/queries. A file begins with comment lines:

-- en: Best agents of an hour
-- zh: 整点客服榜
-- about en: one more sentence, where the title needs it (likewise about zh)
-- param shop_id String: the shop | 店铺
-- param definition String = platform: all or platform | all 或 platform
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起

What stands behind `=` is where a form begins; for an instant `hour` and `day`, the start of the present ones.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from sinks.database import Database, DatabaseError, Parameters

_TITLE: Final = re.compile(r"-- (en|zh): (.+)")
_ABOUT: Final = re.compile(r"-- about (en|zh): (.+)")
_PARAMETER: Final = re.compile(r"-- param (\w+) ([^:=]+?)(?: = ([^:]+))?: (.+) \| (.+)")


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A placeholder of a query: its name, ClickHouse type and meaning."""

    name: str
    kind: str
    default: str
    """where a form begins; empty: nowhere"""
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query to choose from a list; its placeholders are `{name:Type}`."""

    name: str
    title_en: str
    title_zh: str
    about_en: str
    about_zh: str
    parameters: tuple[QueryParameter, ...]
    sql: str

    def run(self, db: Database, params: Parameters | None = None) -> list[dict[str, Any]]:
        """The rows. Raises DatabaseError naming a parameter that is missing or unknown."""
        given, wanted = set(params or {}), {parameter.name for parameter in self.parameters}
        if given != wanted:
            raise DatabaseError(
                f"query {self.name} takes {', '.join(sorted(wanted)) or 'no parameters'}, got {', '.join(sorted(given)) or 'none'}"
            )
        return db.query(self.sql, params)


@lru_cache(maxsize=1)
def named_queries() -> dict[str, NamedQuery]:
    """All of them by name. Raises ValueError for a file without both titles."""
    found = {}
    for entry in sorted(files("sinks.queries").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        name, text = entry.name.removesuffix(".sql"), entry.read_text("utf-8")
        header, body = _split(text)
        titles: dict[str, str] = {m[1]: m[2] for line in header if (m := _TITLE.fullmatch(line))}
        if set(titles) != {"en", "zh"}:
            raise ValueError(f"{entry.name}: needs the comment lines en and zh")
        about: dict[str, str] = {m[1]: m[2] for line in header if (m := _ABOUT.fullmatch(line))}
        parameters = tuple(
            QueryParameter(*m.groups(default="")) for line in header if (m := _PARAMETER.fullmatch(line))
        )
        found[name] = NamedQuery(
            name, titles["en"], titles["zh"], about.get("en", ""), about.get("zh", ""), parameters, body
        )
    return found


def _split(text: str) -> tuple[list[str], str]:
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end], "\n".join(lines[end:]).strip().rstrip(";")
