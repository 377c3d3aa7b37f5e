"""How a value was measured, so that only comparable values are compared: the protocol of a row, and its fingerprint.

The weights of a generator that were measured (raw or a moving average) are a setting of the variant: a column of the
tables, not part of the protocol. Likewise its training budget.
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
"""Hex digits of a digest."""
TITLES: Mapping[str, str] = {
    "data": "data",
    "split": "reference split",
    "side": "image size",
    "extractor": "extractor",
    "num_samples": "num_samples",
    "precision": "precision",
    "versions": "versions",
}
"""The title of every field of a protocol."""
PROSE = frozenset({"title", "paper", "deviations"})
"""Descriptive keys of a described variant, which change no number."""
_AROUND = ("python", "gan_zoo")  # versions that do not decide the numbers


@dataclass(frozen=True)
class Protocol:
    """Everything that two values must share to be ranked together, as recorded; ``not recorded`` if it is not.

    Attributes:
        data: name of the data set and SHA-256 (hex) of its content, as loaded and resized.
        split: the reference: ``test``, or ``truth`` (the density) for points.
        side: shape of a sample when it is measured, e.g. ``32 x 32, 1 channel``; ``points in 2 dimensions``.
        extractor: its name and SHA-256 (hex) of its weights.
        num_samples: generated samples that the value is computed from, as many as of the reference.
        precision: numerical precision, a name of ``gan_zoo.options.PRECISIONS``.
        versions: packages that decide the numbers, with their versions.
    """

    data: tuple[str, str]
    split: str
    side: str
    extractor: tuple[str, str]
    num_samples: int | None
    precision: str
    versions: tuple[tuple[str, str], ...]

    @cached_property
    def digest(self) -> str:
        """The fingerprint: the first 12 hex digits of SHA-256 over all fields."""
        return _digest(dataclasses.asdict(self))


def fingerprint_of(begin: Row, metric: Row, manifest: Mapping[str, Any]) -> Protocol:
    """The protocol of a row of metrics, with the begin row of its run and the manifest of its folder."""
    data = manifest["data"]
    name = metric.get("extractor", UNKNOWN)
    digest = manifest.get("extractors", {}).get(name, {}).get("digest", UNKNOWN)
    num_samples = metric.get("num_samples", manifest.get("num_samples"))
    versions = manifest.get("versions", {}).items()
    return Protocol(
        data=(begin.get("data", data.get("name", UNKNOWN)), data.get("fingerprint", UNKNOWN)),
        split=metric.get("reference", UNKNOWN),
        side=_side(data.get("shape", ())),
        extractor=(name, digest),
        num_samples=None if num_samples is None else int(num_samples),
        precision=begin.get("precision", manifest.get("precision", EXACT)),
        versions=tuple(sorted((package, str(version)) for package, version in versions if package not in _AROUND)),
    )


def protocols(manifest: Mapping[str, Any], records: Iterable[RunRecord]) -> dict[str, list[Protocol]]:
    """The protocols of a folder's runs, by extractor: one each, unless its runs are not comparable."""
    found: dict[str, dict[Protocol, None]] = {}
    for record in records:
        for row in record.metrics:
            found.setdefault(str(row.get("extractor", "")), {})[fingerprint_of(record.begin, row, manifest)] = None
    return {extractor: list(those) for extractor, those in found.items()}


def settings_digest(described: Mapping[str, Any]) -> str:
    """The first 12 hex digits of SHA-256 over the described settings of a variant, without ``PROSE``.

    Equal for a variant in memory and for one read from a record.
    """
    return _digest(plain(less_prose(described)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]


def less_prose(value: Any) -> Any:
    """A described variant without ``PROSE``."""
    if isinstance(value, Mapping):
        return {key: less_prose(inner) for key, inner in value.items() if key not in PROSE}
    return [less_prose(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def differences(first: Protocol, second: Protocol) -> dict[str, tuple[str, str]]:
    """The fields in which two protocols differ, each with both values as text: ``{"side": ("32 x 32", "28 x 28")}``.

    Versions are those of the packages that differ.
    """
    found = {}
    for field in TITLES:
        one, other = getattr(first, field), getattr(second, field)
        if one == other:
            continue
        if field == "versions":
            both = dict(one), dict(other)
            unequal = sorted({package for package, _ in {*one} ^ {*other}})
            one, other = (tuple((package, each.get(package, UNKNOWN)) for package in unequal) for each in both)
        found[field] = (_as_text(one), _as_text(other))
    return found


def _side(shape: Any) -> str:
    match list(shape):
        case [channels, height, width]:
            size = f"{height} x {width}"
            return f"{size}, 1 channel" if channels == 1 else f"{size}, {channels} channels"
        case [dimensions]:
            return f"points in {dimensions} dimension{'s' if dimensions > 1 else ''}"
    return UNKNOWN


def _as_text(value: Any) -> str:
    """A field's value as text."""
    match value:
        case None | ():
            return UNKNOWN
        case int():
            return f"{value:,}"
        case str():
            return value
        case (str(name), str(digest)):
            return f"{name} ({digest if digest == UNKNOWN else digest[:DIGITS]})"
    return ", ".join(f"{package} {version}" for package, version in value)
