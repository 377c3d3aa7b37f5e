"""A suite's table as TOML text."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_TABLES = ("named", "presets")  # tables of tables, each written under a head of its own


def toml(table: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """A suite's table as TOML; what is None is left out."""
    lines = [f"# {comment}" for comment in comments]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in _without_none(table) if key not in _TABLES]
    for head in _TABLES:
        for name, inner in table.get(head, {}).items():
            lines += [
                "",
                f"[{head}.{_key(name)}]",
                *(f"{_key(key)} = {_value(value)}" for key, value in _without_none(inner)),
            ]
    return "\n".join(lines) + "\n"


def _without_none(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in table.items() if value is not None]


def _value(value: Any) -> str:
    """A value in TOML, whose texts, numbers and lists are written as JSON's are."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in _without_none(value)) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)
