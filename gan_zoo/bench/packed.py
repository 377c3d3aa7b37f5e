"""Records of all runs of a results folder in one compressed table, for results in git.

``records.csv.xz`` has one line for each row of the records: the columns ``run`` and ``row``, one for each key, and one
for each recorded value (``values/fid``). Values of history have 5 significant digits, all others every digit.
``pandas.read_csv`` reads it as it is.
"""

import csv
import io
import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gan_zoo.errors import DamagedFileError
from gan_zoo.io import FORMULA, atomic_path

PACKED = "records.csv.xz"
_VALUES = "values/"
_DIGITS = 5
_LARGEST = 2**30  # bytes; a small file of repeated bytes would fill the memory


def write(path: Path, records: Iterable[tuple[str, Iterable[dict[str, Any]]]]) -> None:
    """Write the rows of runs, given by the names of the runs, as one compressed table.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = [{"run": run, **_flat(row)} for run, rows in records for row in rows]
    columns = list(dict.fromkeys(key for line in lines for key in line))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    with atomic_path(path) as part:
        part.write_bytes(lzma.compress(text.getvalue().encode(), preset=9))


def read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a packed table, each with the name of its run, in the order of writing.

    Raises:
        DamagedFileError: it is not such a table.
    """
    try:
        reader = lzma.LZMADecompressor()
        text = reader.decompress(path.read_bytes(), max_length=_LARGEST).decode()
        if not reader.eof:
            raise ValueError("it is cut off, or larger than 1 GiB")
        for line in csv.DictReader(io.StringIO(text)):
            run = line.pop("run")
            yield run, _nested(line)
    except (lzma.LZMAError, ValueError, EOFError, csv.Error, KeyError, AttributeError) as error:
        raise DamagedFileError(f"{path} cannot be read ({error}); restore it, or run the suite again") from None


def _flat(row: dict[str, Any]) -> dict[str, str]:
    """A row as strings by column; values of history are rounded."""
    flat = {key: _text(value) for key, value in row.items() if key != "values"}
    for key, value in row.get("values", {}).items():
        is_rounded = row["row"] == "history" and isinstance(value, float)
        flat[_VALUES + key] = f"{value:.{_DIGITS}g}" if is_rounded else _text(value)
    return flat


def _nested(line: dict[str, str]) -> dict[str, Any]:
    """The row of a line, without the keys whose columns are empty."""
    row: dict[str, Any] = {}
    for key, text in line.items():
        if text:
            table = row.setdefault("values", {}) if key.startswith(_VALUES) else row
            table[key.removeprefix(_VALUES)] = _value(text)
    return row


def _text(value: Any) -> str:
    """JSON, with strings that are neither JSON nor a spreadsheet's formula themselves as they are."""
    marks = ('"', *FORMULA)
    is_plain = isinstance(value, str) and value and isinstance(_value(value), str) and not value.startswith(marks)
    return value if is_plain else json.dumps(value)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
