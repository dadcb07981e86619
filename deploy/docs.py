"""The generated tables of docs/operations.md: `python -m deploy.docs` writes them, a test checks that they are current."""

import importlib
import re
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from deploy.settings_doc import settings_table

OPERATIONS: Final = Path(__file__).parents[1] / "docs" / "operations.md"
_METRICS: Final = {"worker": "streams.metrics", "sink": "sinks.metrics", "web": "web.metrics"}
_BLOCK: Final = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refreshed(text: str) -> str:
    """The text with each `<!-- generated: NAME -->` block filled anew. Raises KeyError for a name that is none."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n{block[3]}", text)


def _table(name: str) -> str:
    return settings_table() if name == "settings" else metrics_table(_METRICS[name.removeprefix("metrics-")])


def metrics_table(module: str) -> str:
    """A Markdown table of the Prometheus metrics that a module defines."""
    rows = ["| metric | labels | meaning |", "|---|---|---|"]
    for metric in vars(importlib.import_module(module)).values():
        if isinstance(metric, MetricWrapperBase):
            (described,) = metric.describe()
            name = f"{described.name}_total" if described.type == "counter" else described.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append(f"| `{name}` | {labels} | {described.documentation} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    OPERATIONS.write_text(refreshed(OPERATIONS.read_text(encoding="utf-8")), encoding="utf-8")
