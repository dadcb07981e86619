"""The settings as a list to print and as a table for the documentation."""

import json
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import SecretStr

from schemas.settings import Settings

_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as text; `current` has secrets hidden."""

    env: str
    default: str
    current: str
    choices: tuple[str, ...]
    text: str


def setting_docs(settings: Settings | None = None) -> list[SettingDoc]:
    """Every setting in the order of its definition; `current` is empty without `settings`."""
    docs = []
    for name, field in Settings.model_fields.items():
        arguments = get_args(field.annotation)
        docs.append(
            SettingDoc(
                env=f"ZHENGDIAN_{name.upper()}",
                default=_shown(field.default, secret=False),
                current="" if settings is None else _shown(getattr(settings, name), secret=True),
                choices=tuple(arguments) if all(isinstance(value, str) for value in arguments) else (),
                text=field.description or "",
            )
        )
    return docs


def settings_table() -> str:
    """The Markdown table of docs/operations.md."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for doc in setting_docs():
        default = f"`{doc.default}`" if doc.default else "(empty)"
        choices = f" ({', '.join(f'`{choice}`' for choice in doc.choices)})" if doc.choices else ""
        rows.append(f"| `{doc.env}` | {default} | {doc.text}{choices} |")
    return "\n".join(rows) + "\n"


def _shown(value: Any, *, secret: bool) -> str:
    """A value as it would stand in the environment. Of a secret only the parts of a URL that are none are shown."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        plain = value.get_secret_value()
        if not secret or not plain:
            return plain
        return _masked_url(plain) if "://" in plain else _HIDDEN
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _masked_url(url: str) -> str:
    """The URL with neither password nor query; the last @ ends the user's part, whatever the password contains."""
    before, at, host = url.rpartition("@")
    host = host.partition("?")[0]
    if not at:
        return host
    scheme, _, user = before.partition("://")
    name, colon, _password = user.partition(":")
    return f"{scheme}://{name}{colon}{_HIDDEN if colon else ''}@{host}"
