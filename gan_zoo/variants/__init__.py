"""One paper a file; every module in this folder is found and registered by itself."""

import json
from functools import cache
from pathlib import Path
from typing import Any

INDEX = Path(__file__).with_name("index.json")
"""Facts of the variants and data sets, written by ``make index``."""


@cache
def read_index() -> dict[str, Any]:
    """The content of ``INDEX``: ``variants``, a record each; the ``options`` of all; ``data``, a line each."""
    content: dict[str, Any] = json.loads(INDEX.read_text(encoding="utf-8"))
    return content
