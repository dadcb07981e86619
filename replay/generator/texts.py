"""The words and goods of the simulation, read once from texts.yaml and goods.yaml beside this module."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def texts() -> dict[str, Any]:
    """What buyers and agents write: lists of templates by occasion (texts.yaml)."""
    return _read("texts.yaml")


@cache
def catalogue() -> dict[str, Any]:
    """Shops, goods, names and teams (goods.yaml)."""
    return _read("goods.yaml")


def _read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath(name).read_text(encoding="utf-8"))
    return loaded
