"""What a figure was measured by, so that like is compared with like: the protocol of a row, and its fingerprint.

Which weights of a generator were measured (raw or a moving average) is the variant's own choice: a column of the
tables, no part of the protocol. Likewise its training budget.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gan_zoo.bench.records import Row, RunRecord, plain
from gan_zoo.options import EXACT

UNKNOWN = "not recorded"
DIGITS = 12
TITLES: Mapping[str, str] = {
    "data": "data",
    "split": "reference split",
    "side": "image side",
    "extractor": "extractor",
    "n": "N",
    "precision": "precision",
    "versions": "versions",
}
"""Every field of a protocol by the name that a reader sees."""
_SHOWN = 12  # hex digits of a long digest in words
PROSE = frozenset({"title", "paper", "deviations"})
"""What a described variant says for people: it changes no number."""
_AROUND = ("python", "gan_zoo")  # versions in a manifest that no cell's identity holds


@dataclass(frozen=True)
class Protocol:
    """All that two figures must share to be ranked together, as recorded; ``not recorded`` where it is not.

    Attributes:
        data: name of the data set and SHA-256 (hex) of its content, as loaded and resized.
        split: what generated samples are compared with: ``test``, or ``truth`` (the density) for points.
        side: shape of a sample where it is measured, e.g. ``32 x 32, 1 channel``; ``points in 2 dimensions``.
        extractor: its name and SHA-256 (hex) of its weights.
        n: samples measured.
        precision: how exactly the networks multiply, a name of ``gan_zoo.options.PRECISIONS``.
        versions: package and version of all that decides the numbers.
    """

    data: tuple[str, str]
    split: str
    side: str
    extractor: tuple[str, str]
    n: int | None
    precision: str
    versions: tuple[tuple[str, str], ...]

    @cached_property
    def digest(self) -> str:
        """The fingerprint: the first 12 hex digits of SHA-256 over all fields."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    def words(self) -> dict[str, str]:
        """Every field for a reader, by its title."""
        return {title: _said(getattr(self, field)) for field, title in TITLES.items()}


def fingerprint_of(begin: Row, metric: Row, manifest: Mapping[str, Any]) -> Protocol:
    """The protocol of a row of metrics, with the row that its cell begins with and its folder's manifest.

    What the cell's identity does not hold is taken from the manifest, which is of the same run.
    """
    identity, data, name = begin.get("identity") or {}, manifest.get("data") or {}, str(metric.get("extractor", ""))
    of_extractor = (manifest.get("extractors") or {}).get(name) or {}
    extractor = (identity.get("extractors") or {}).get(name) or of_extractor.get("digest")
    versions = identity.get("versions") or manifest.get("versions") or {}
    n = next((found for found in (metric.get("n"), identity.get("n"), manifest.get("n")) if found is not None), None)
    return Protocol(
        data=(
            str(begin.get("data") or data.get("name") or UNKNOWN),
            str(identity.get("measured_data") or data.get("fingerprint") or UNKNOWN),
        ),
        split=str(metric.get("reference") or UNKNOWN),
        side=_side(data.get("shape") or ()),
        extractor=(name or UNKNOWN, str(extractor or UNKNOWN)),
        n=None if n is None else int(n),
        precision=str(begin.get("precision") or identity.get("precision") or manifest.get("precision") or EXACT),
        versions=tuple(sorted((key, str(version)) for key, version in versions.items() if key not in _AROUND)),
    )


def protocols(manifest: Mapping[str, Any], cells: Iterable[RunRecord]) -> dict[str, list[Protocol]]:
    """The protocols in a folder's cells, by extractor: one each, unless rows of unlike runs lie in it."""
    found: dict[str, dict[Protocol, None]] = {}
    for cell in cells:
        for row in cell.metrics:
            found.setdefault(str(row.get("extractor", "")), {})[fingerprint_of(cell.begin, row, manifest)] = None
    return {extractor: list(those) for extractor, those in found.items()}


def settings_digest(described: Mapping[str, Any]) -> str:
    """The first 12 hex digits of SHA-256 over a variant's settings, as its cells' identity describes them, less prose.

    The same for a variant that was just made and for one that was read back from a record.
    """
    text = json.dumps(plain(less_prose(described)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def less_prose(value: Any) -> Any:
    """A described variant without what it says for people."""
    if isinstance(value, Mapping):
        return {key: less_prose(inner) for key, inner in value.items() if key not in PROSE}
    return [less_prose(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def differences(first: Protocol, second: Protocol) -> dict[str, tuple[str, str]]:
    """The fields in which two protocols differ, each with both values in words, e.g. ``{"n": ("2,000", "500")}``.

    Of the versions only those of packages that differ are named.
    """
    found = {}
    for field in TITLES:
        one, other = getattr(first, field), getattr(second, field)
        if one == other:
            continue
        if field == "versions":
            one, other = _apart(one, other), _apart(other, one)
        found[field] = (_said(one), _said(other))
    return found


def _apart(versions: tuple[tuple[str, str], ...], others: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The versions that are not those of the others, with a package that is only among the others."""
    mine, theirs = dict(versions), dict(others)
    packages = sorted(package for package in mine | theirs if mine.get(package) != theirs.get(package))
    return tuple((package, mine.get(package, UNKNOWN)) for package in packages)


def _side(shape: Any) -> str:
    match list(shape):
        case [channels, height, width]:
            size = f"{height} x {width}"
            return f"{size}, 1 channel" if channels == 1 else f"{size}, {channels} channels"
        case [dimensions]:
            return f"points in {dimensions} dimension{'s' if dimensions > 1 else ''}"
    return UNKNOWN


def _said(value: Any) -> str:
    """A field's value in words."""
    match value:
        case None | ():
            return UNKNOWN
        case int():
            return f"{value:,}"
        case str():
            return value
        case (str(name), str(digest)):
            return f"{name} ({digest if digest == UNKNOWN else digest[:_SHOWN]})"
    return ", ".join(f"{package} {version}" for package, version in value)
