"""A variant in two results folders: which of its runs are the same ones, and in which settings it differs."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gan_zoo.bench.alike import Folder, full_name
from gan_zoo.bench.protocol import PROSE, UNKNOWN
from gan_zoo.bench.records import RunRecord
from gan_zoo.io import differences
from gan_zoo.statistics import Sample

_SHOWN, _WIDTH = 4, 60


@dataclass(frozen=True)
class Pair:
    """A variant in two folders, one earlier and one later."""

    variant: str
    earlier: Folder
    later: Folder

    @property
    def names(self) -> tuple[str, str]:
        """What the later sample and the earlier one are called."""
        return full_name(self.variant, self.later.label), full_name(self.variant, self.earlier.label)

    @cached_property
    def _twins(self) -> list[tuple[RunRecord, RunRecord]]:
        """The cells of one name, which is a digest of all that should decide their numbers."""
        earlier, later = (folder.cells_of(self.variant) for folder in (self.earlier, self.later))
        return [(earlier[name], later[name]) for name in earlier.keys() & later.keys()]

    @cached_property
    def shared(self) -> list[int]:
        """The seeds of the same runs: of cells of one name, status and values."""
        return sorted(later.begin["seed"] for earlier, later in self._twins if _outcome(earlier) == _outcome(later))

    @property
    def rerun(self) -> list[int]:
        """The seeds of finished cells of one name and other values: another machine does that."""
        ended = ((earlier, later) for earlier, later in self._twins if earlier.end and later.end)
        return sorted(later.begin["seed"] for earlier, later in ended if _outcome(earlier) != _outcome(later))

    @property
    def distinct(self) -> list[int]:
        """The seeds that both folders have in cells of other names."""
        earlier, later = ({cell.begin["seed"] for cell in folder.cells_of(self.variant).values()}
                          for folder in (self.earlier, self.later))  # fmt: skip
        return sorted(earlier & later - {cell.begin["seed"] for cell, _ in self._twins})

    @cached_property
    def before(self) -> Sample:
        """The earlier runs."""
        return self.earlier.sample(self.variant)

    @cached_property
    def after(self) -> Sample:
        """The later runs, without those that are the same."""
        return self.later.sample(self.variant, self.shared)

    @property
    def same(self) -> bool:
        """Whether the later folder has no run of its own that ended."""
        return bool(self.shared) and not (self.after.values or self.after.failures)

    @property
    def lost(self) -> bool:
        """Whether no later run survives, the same ones included, where an earlier one does."""
        later = self.later.sample(self.variant)
        return bool(self.before.values and later.failures and not later.values)


def _outcome(cell: RunRecord) -> tuple[str, dict[Any, Any]]:
    """What a run came to: its status, and every value by step and extractor."""
    return cell.status, {(row["step"], row["extractor"]): row["values"] for row in cell.metrics}


def pairs_of(folders: Sequence[Folder]) -> tuple[list[Pair], list[Pair]]:
    """Each variant in the first folder that has it, with each later folder; and those that the later one lacks."""
    found: list[Pair] = []
    gone: list[Pair] = []
    for variant in dict.fromkeys(variant for folder in folders for variant in folder.variants):
        first = next(place for place, folder in enumerate(folders) if variant in folder.variants)
        for later in folders[first + 1 :]:
            (found if variant in later.variants else gone).append(Pair(variant, folders[first], later))
    return found, gone


def notes_on(pair: Pair) -> Iterator[str]:
    """What the runs of a variant in two folders share, and in which settings they differ."""
    both = f"in {pair.earlier.label} and {pair.later.label}"
    out = f"left out of {pair.later.label} where it is tested"
    for found, one, many in (
        (pair.shared, f"is the same run, not a new one, {'so it is not tested' if pair.same else f'and is {out}'}",
         f"are the same runs, not new ones, {'so they are not tested' if pair.same else f'and are {out}'}"),
        (pair.rerun, "has the same settings, other values: another machine? It is taken as independent",
         "have the same settings, other values: another machine? They are taken as independent"),
        (pair.distinct, "is of different runs, taken as independent", "are different runs, taken as independent"),
    ):  # fmt: skip
        if found:
            seeds, said = ("seed", one) if len(found) == 1 else ("seeds", many)
            yield f"{pair.variant}: {seeds} {', '.join(map(str, found))} {both} {said}"
    first, second = (folder.identity(pair.variant).get("variant") or {} for folder in (pair.earlier, pair.later))
    codes = [folder.identity(pair.variant).get("code") for folder in (pair.earlier, pair.later)]
    if all(isinstance(code, Mapping) for code in codes) and codes[0] != codes[1]:
        unlike_code = (f"{key} {one} and {other}" for key, one, other in differences(codes[0], codes[1]))
        yield f"{pair.variant} differs in code: {'; '.join(unlike_code)} {both}"
    if unlike := sorted(_settings(first, second), key=_is_detail):
        more = f" and {len(unlike) - _SHOWN} more" if len(unlike) > _SHOWN else ""
        yield f"{pair.variant} differs in settings: {'; '.join(unlike[:_SHOWN])}{more} {both}"


def _settings(first: Any, second: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The settings in which two descriptions of a variant differ, e.g. ``batch_size 64 and 512``."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second] if first and second else []):
            if key not in PROSE:
                yield from _settings(first.get(key, UNKNOWN), second.get(key, UNKNOWN), (*path, str(key)))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for place, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _settings(one, other, (*path, str(place)))
    elif first != second:
        one, other = (textwrap.shorten(str(value), _WIDTH, placeholder="...") for value in (first, second))
        yield f"{'.'.join(path)} {one} and {other}"


def _is_detail(setting: str) -> bool:
    """Whether a setting comes last: one that other code records otherwise."""
    return UNKNOWN in setting or "gan_zoo." in setting
