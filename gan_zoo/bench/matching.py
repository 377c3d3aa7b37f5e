"""Which runs of several results folders are the same, rerun or different, and whether the folders are comparable."""

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_zoo.bench.protocol import DIGITS, TITLES, UNKNOWN, Protocol, differences, less_prose, protocols
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.results import Results
from gan_zoo.bench.summary import samples
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError
from gan_zoo.io import differences as nested_differences
from gan_zoo.statistics import Sample

MAY_DIFFER = ("precision", "versions", "budget")
"""What may differ if the user allows it: a check against an earlier run has other versions."""
_MAX_SETTINGS = 4  # that differ, in a note
_WIDTH = 60  # characters of a setting's value, in a note


@dataclass(frozen=True)
class Folder:
    """One results folder: its label among those compared, and how its primary metric was measured."""

    label: str
    results: Results
    records: Sequence[RunRecord]
    protocol: Protocol

    @property
    def variants(self) -> list[str]:
        """The trained variants that have runs."""
        return [str(name) for name in self.results.trained["variant"].unique()]

    @property
    def budget(self) -> str:
        """The training budget of a run, as text."""
        budget = self.results.manifest.get("budget") or {}
        return ", ".join(f"{amount:,.10g} {unit}" for unit, amount in budget.items()) or UNKNOWN

    def sample(self, variant: str, without: Collection[int] = ()) -> Sample:
        """The final values of the primary metric of a variant's runs, but for the seeds ``without``."""
        runs = self.results.runs
        runs = runs[(runs["variant"] == variant) & ~runs["seed"].isin(list(without))]
        column = f"final_{self.results.metric.name}_{self.results.extractor}"
        return samples(runs, column, self.results.manifest).get(variant, Sample(()))

    def identity(self, variant: str) -> Mapping[str, Any]:
        """The recorded identity of a variant's first run; empty if there is none."""
        mine = (record.begin for record in self.records if record.begin["variant"] == variant)
        return next((begin.get("identity") or {} for begin in mine), {})

    def recorded(self, key: str) -> str:
        """A part of the identity that all runs share, as text."""
        identities = (record.begin.get("identity") or {} for record in self.records)
        return str(next((identity[key] for identity in identities if key in identity), UNKNOWN))[:DIGITS]


@dataclass(frozen=True)
class Pair:
    """A variant in two folders, one earlier and one later."""

    variant: str
    earlier: Folder
    later: Folder

    @property
    def names(self) -> tuple[str, str]:
        """The names of the later sample and of the earlier one."""
        return full_name(self.variant, self.later.label), full_name(self.variant, self.earlier.label)

    @cached_property
    def seeds(self) -> dict[str, list[int]]:
        """The seeds that both folders have, by kind, without those of a run that was resumed in between.

        ``same``: runs of equal name and status, and with the same values of what was measured of both; ``rerun``:
        finished runs of equal names with other values, as of another machine; ``different``: other names, which have a
        digest of everything that decides the numbers.
        """
        earlier, later = (
            {record.begin["seed"]: record for record in folder.records if record.begin["variant"] == self.variant}
            for folder in (self.earlier, self.later)
        )
        found: dict[str, list[int]] = {"same": [], "rerun": [], "different": []}
        for seed in sorted(earlier.keys() & later.keys()):
            one, other = earlier[seed], later[seed]
            if one.name != other.name:
                found["different"].append(seed)
            elif _is_same(one, other):
                found["same"].append(seed)
            elif one.end and other.end:
                found["rerun"].append(seed)
        return found

    @cached_property
    def before(self) -> Sample:
        """The earlier runs."""
        return self.earlier.sample(self.variant)

    @cached_property
    def after(self) -> Sample:
        """The later runs, without those that are the same."""
        return self.later.sample(self.variant, self.seeds["same"])

    @property
    def same(self) -> bool:
        """Whether all ended runs of the later folder are the same as earlier ones."""
        return bool(self.seeds["same"]) and not (self.after.values or self.after.failures)

    @property
    def lost(self) -> bool:
        """Whether an earlier run is successful, and no later one."""
        later = self.later.sample(self.variant)
        return bool(self.before.values and later.failures and not later.values)


def full_name(variant: str, folder: str) -> str:
    """The name of a variant of a folder if several folders are compared."""
    return f"{variant} ({folder})"


def _is_same(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs of equal name have the same status, and the same values of what was measured of both."""
    first, second = (
        {(row["step"], row["extractor"], name): value for row in run.metrics for name, value in row["values"].items()}
        for run in (one, other)
    )
    both = first.keys() & second.keys()
    measured = bool(both) or not (first and second)
    return one.status == other.status and measured and all(first[key] == second[key] for key in both)


def read_folders(paths: Sequence[Path], allow: Sequence[str]) -> tuple[list[Folder], list[str]]:
    """The folders, and a line for each allowed difference.

    Raises:
        GanZooError: as in `gan_zoo.bench.compare.compare`.
    """
    if wrong := [name for name in allow if name not in MAY_DIFFER]:
        raise GanZooError(f"{wrong[0]!r} cannot be allowed to differ; only {', '.join(MAY_DIFFER)} can")
    folders = [_read_folder(path, label) for path, label in zip(paths, _labels(paths), strict=True)]
    first = folders[0]
    allowed: list[str] = []
    refused: list[str] = []
    for other in folders[1:]:
        found = differences(first.protocol, other.protocol)
        if first.results.metric != other.results.metric:
            found["primary metric"] = (first.results.metric.title, other.results.metric.title)
        if first.budget != other.budget:
            found["budget"] = (first.budget, other.budget)
        for field, (one, another) in found.items():
            line = f"{TITLES.get(field, field)}: {one} in {first.label} and {another} in {other.label}"
            if field in allow:
                allowed.append(line)
            else:
                refused.append(f"{line}; --allow {field} accepts it" if field in MAY_DIFFER else line)
    if refused:
        raise GanZooError("\n".join(["the folders are not comparable: their protocols differ", *refused]))
    return folders, allowed


def _labels(paths: Sequence[Path]) -> list[str]:
    """The names of the folders, with as many of their parents as make them unique."""
    if len(paths) < 2:
        raise GanZooError("one results folder cannot be compared; name two or more, the earlier run first")
    whole = [Path(path).resolve() for path in paths]
    for path, full in zip(paths, whole, strict=True):
        if whole.count(full) > 1:
            raise GanZooError(f"results folder {str(path)!r} is named twice; name each once")
    count = 1
    while len({path.parts[-count:] for path in whole}) < len(whole):
        count += 1
    return ["/".join(path.parts[-count:]) for path in whole]


def _read_folder(path: Path, label: str) -> Folder:
    results = read_results(path)
    manifest, extractor = results.manifest, results.extractor
    if not extractor:
        raise GanZooError(f"results folder {str(path)!r}: nothing was measured; leave it out")
    records = list(results.records)
    found = protocols(manifest, records).get(extractor, [])
    if not found:
        raise GanZooError(f"results folder {str(path)!r}: nothing was measured yet; run its bench again to resume it")
    if len(found) > 1:
        unequal = [f"{TITLES[field]}: {' and '.join(both)}" for field, both in differences(*found[:2]).items()]
        listed = "; ".join(unequal)
        raise GanZooError(f"results folder {str(path)!r}: its rows have several protocols ({listed}); separate them")
    return Folder(label, results, records, found[0])


def pairs_of(folders: Sequence[Folder]) -> tuple[list[Pair], list[Pair]]:
    """Each variant in the first folder that has it, with each later folder; and those that the later one lacks."""
    found: list[Pair] = []
    missing: list[Pair] = []
    for variant in dict.fromkeys(variant for folder in folders for variant in folder.variants):
        first = next(place for place, folder in enumerate(folders) if variant in folder.variants)
        for later in folders[first + 1 :]:
            (found if variant in later.variants else missing).append(Pair(variant, folders[first], later))
    return found, missing


def notes_on(pair: Pair) -> Iterator[str]:
    """Which runs of a variant two folders share, and in which settings it differs."""
    both = f"in {pair.earlier.label} and {pair.later.label}"
    left_out = "not tested" if pair.same else f"left out of {pair.later.label} in the test"
    kinds = {
        "same": f"the same runs, {left_out}",
        "rerun": "same settings, other values (another machine?), tested as independent runs",
        "different": "different runs, tested as independent",
    }
    for kind, what in kinds.items():
        if seeds := pair.seeds[kind]:
            word = "seed" if len(seeds) == 1 else "seeds"
            yield f"{pair.variant}: {word} {', '.join(map(str, seeds))} {both}: {what}"
    identities = [folder.identity(pair.variant) for folder in (pair.earlier, pair.later)]
    code, later_code = (identity.get("code") for identity in identities)
    if isinstance(code, Mapping) and isinstance(later_code, Mapping) and code != later_code:
        found = (f"{key} {one} and {other}" for key, one, other in nested_differences(code, later_code))
        yield f"{pair.variant} differs in code: {'; '.join(found)} {both}"
    settings = [less_prose(identity.get("variant") or {}) for identity in identities]
    if all(settings) and (changed := _changed(*settings)):
        more = f" and {len(changed) - _MAX_SETTINGS} more" if len(changed) > _MAX_SETTINGS else ""
        yield f"{pair.variant} differs in settings: {'; '.join(changed[:_MAX_SETTINGS])}{more} {both}"


def _changed(first: Any, second: Any) -> list[str]:
    """The settings that differ, e.g. ``batch_size 64 and 512``; last those that other code records differently."""
    found = []
    for key, *values in nested_differences(first, second):
        one, other = (textwrap.shorten(str(value), _WIDTH, placeholder="...") for value in values)
        found.append((None in values or "gan_zoo." in one + other, f"{key} {one} and {other}"))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]
