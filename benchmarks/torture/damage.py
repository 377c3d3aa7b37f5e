"""Mutations of bytes, of JSON, of checkpoints and of TOML, drawn from a random generator."""

import hashlib
import json
import random
import re
import struct
from typing import Any

OUTSIDE = "/tmp/gan-zoo-torture-outside"
"""A path that nothing may write to."""
ODD = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "half": "0.5",
    "huge": str(10**12),
    "beyond float": "1e999",
    "5,000 digits": "9" * 5000,
    "text": '"zzz"',
    "empty text": '""',
    "path above": '"../../../outside"',
    "absolute path": f'"{OUTSIDE}"',
    "escape sequence": '"\\u001b[31mred <script>"',
    "NUL": '"a\\u0000b"',
    "surrogate": '"\\ud800"',
    "list": "[1]",
    "empty list": "[]",
    "object": '{"a": 1}',
    "deep nesting": "[" * 100_000 + "]" * 100_000,
}
"""Values in place of a field's own, as JSON."""
MISSING = "missing"
_BLOCK = 64
_FOREIGN = (b"\x89PNG\r\n\x1a\n" + bytes(200), b'{"a": [1, 2]}\n', b"PK\x03\x04" + bytes(99), b"\xff" * 99)


def changed_bytes(content: bytes, chance: random.Random, *, invalid: bool = False) -> tuple[bytes, str]:
    """Content that is cut, flipped, zeroed, emptied or another's, and what was done.

    With ``invalid`` it is neither cut nor flipped: what is left of a text may be meant.
    """
    start = chance.randrange(max(1, len(content)))
    how = chance.choice(["zeroed block", "emptied", "foreign"] + ["truncated", "flipped bit", "noise"] * (not invalid))
    if how == "truncated":
        return content[:start], how
    if how == "flipped bit":
        flipped = bytes([content[start] ^ 1 << chance.randrange(8)]) if content else b""
        return content[:start] + flipped + content[start + 1 :], how
    if how == "zeroed block":
        size = min(_BLOCK, len(content) - start)
        return content[:start] + bytes(size) + content[start + size :], how
    if how == "noise":
        return content[:start] + chance.randbytes(chance.choice([1, 8, 300])) + content[start:], how
    return b"" if how == "emptied" else chance.choice(_FOREIGN), how


def json_field(text: str, chance: random.Random, *, other_type: bool = False) -> tuple[str, str]:
    """JSON with a random field at any depth missing or odd, and what was done.

    With ``other_type`` a number is never replaced by a number, nor a text by a text: no reader could know.
    """
    value = json.loads(text)
    path: list[Any] = []
    inner = value
    while isinstance(inner, (dict, list)) and inner and (not path or chance.random() < 0.6):
        path.append(chance.choice([*inner]) if isinstance(inner, dict) else chance.randrange(len(inner)))
        inner = inner[path[-1]]
    name = chance.choice([MISSING, MISSING, *(odd for odd in ODD if not (other_type and _same_type(inner, odd)))])
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if not path:
        return ODD.get(name, "{}"), f"all: {name}"
    if name == MISSING:
        del parent[path[-1]]
        return json.dumps(value), f"{'.'.join(map(str, path))}: {name}"
    parent[path[-1]] = "@odd@"
    # Neither 5,000 digits nor deep nesting could be written by json.dumps.
    return json.dumps(value).replace('"@odd@"', ODD[name]), f"{'.'.join(map(str, path))}: {name}"


def _same_type(value: Any, odd: str) -> bool:
    kinds = ((bool,), (int, float), (str,), (list,), (dict,), (type(None),))
    first = {"0123456789-": (int, float), '"': (str,), "[": (list,), "{": (dict,), "n": (type(None),), "t": (bool,)}
    kind = next(kind for letters, kind in first.items() if ODD[odd][0] in letters)
    return next(known for known in kinds if isinstance(value, known)) == kind


def record_field(content: bytes, chance: random.Random, **how: bool) -> tuple[bytes, str]:
    """Records of a run with a field of one row changed, without checksums, as earlier versions wrote them."""
    rows = [json.loads(line) for line in content.splitlines()]
    lines = [json.dumps({key: row[key] for key in row if key not in ("crc", "digest")}) for row in rows]
    number = chance.randrange(len(lines))
    lines[number], done = json_field(lines[number], chance, **how)
    return "\n".join([*lines, ""]).encode(), f"line {number + 1}, {done}"


def checkpoint_field(content: bytes, chance: random.Random, **how: bool) -> tuple[bytes, str]:
    """A checkpoint with one of its facts changed, and a digest that matches."""
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    metadata = header["__metadata__"]
    metadata["facts"], done = json_field(metadata["facts"], chance, **how)
    metadata.pop("sha256")
    total = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    kinds = {"F32": "float32", "F64": "float64", "I64": "int64", "U8": "uint8", "BOOL": "bool"}
    for name in sorted(header.keys() - {"__metadata__"}):
        entry = header[name]
        first, last = entry["data_offsets"]
        total.update(f"{name} torch.{kinds[entry['dtype']]} {tuple(entry['shape'])}\n".encode() + data[first:last])
    metadata["sha256"] = total.hexdigest()
    packed = json.dumps(header).encode()
    packed += b" " * (-len(packed) % 8)
    return struct.pack("<Q", len(packed)) + packed + data, done


def toml_value(text: str, chance: random.Random) -> tuple[str, str]:
    """A suite with one value replaced, one line gone, doubled or added, or a byte-order mark."""
    lines = text.splitlines()
    places = [number for number, line in enumerate(lines) if re.match(r"[\w-]+ = ", line)]
    place = chance.choice(places)
    key = lines[place].partition(" = ")[0]
    how = chance.choice([MISSING, "doubled", "unknown key", "unknown table", "byte-order mark", *ODD, *ODD])
    if how == MISSING:
        lines[place] = ""
    elif how == "doubled":
        lines.insert(place, lines[place])
    elif how == "unknown key":
        lines.insert(place, f"{chance.choice(['zzz', 'seed', '{}', 'a.b.c', '1'])} = {chance.choice([*ODD.values()])}")
    elif how == "unknown table":
        lines.append(f"[{chance.choice(['presets', 'presets.zzz', 'zzz', 'variants', 'presets.smoke.options'])}]")
    elif how == "byte-order mark":
        return "\ufeff" + text, how
    else:
        odd = {"null": "{}", "object": "{ a = 1 }", "beyond float": "inf", "huge": "20_000_000"}
        lines[place] = f"{key} = {odd.get(how, ODD[how])}"
    return "\n".join(lines) + "\n", f"{key}: {how}"
