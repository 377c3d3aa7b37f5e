"""Results folders that are to be compared: read, named apart, and refused where they were measured unlike."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo.bench.protocol import TITLES, UNKNOWN, Protocol, differences, protocols
from gan_zoo.bench.records import RunRecord, read_manifest, read_runs
from gan_zoo.bench.summary import samples
from gan_zoo.bench.tables import FLOOR, own_extractor, ranked_by, tables
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.statistics import Sample

MAY_DIFFER = ("precision", "versions", "budget")
"""What may differ where a person says so: a check against an earlier run has other versions."""


@dataclass(frozen=True)
class Folder:
    """One results folder.

    Attributes:
        label: its name among those compared.
        runs: the table of that name.
        summary: the summary's rows of the measure that ranks, by variant.
        protocol: how the figures of that measure were taken.
    """

    label: str
    manifest: Mapping[str, Any]
    cells: Sequence[RunRecord]
    runs: pd.DataFrame
    summary: pd.DataFrame
    protocol: Protocol

    @property
    def metric(self) -> Metric:
        """The measure that ranks."""
        return METRICS[ranked_by(self.manifest)]

    @property
    def variants(self) -> list[str]:
        """The variants that were begun, without the floor."""
        return [str(name) for name in self.runs["variant"].unique() if name != FLOOR]

    @property
    def budget(self) -> str:
        """The training budget of a cell, in words."""
        budget = self.manifest.get("budget") or {}
        return ", ".join(f"{amount:,.10g} {unit}" for unit, amount in budget.items()) or UNKNOWN

    def sample(self, variant: str, without: Collection[int] = ()) -> Sample:
        """The final values of a variant's surviving seeds under the measure that ranks, and its failures.

        The seeds ``without`` do not count.
        """
        runs = self.runs[(self.runs["variant"] == variant) & ~self.runs["seed"].isin(list(without))]
        found = samples(runs, f"final_{self.metric.name}_{self.protocol.extractor[0]}")
        return found.get(variant, Sample(()))

    def cells_of(self, variant: str) -> dict[str, RunRecord]:
        """A variant's cells by name."""
        return {cell.name: cell for cell in self.cells if cell.begin["variant"] == variant}

    def identity(self, variant: str) -> Mapping[str, Any]:
        """All that decides the numbers of a variant's cells; empty where it was not recorded."""
        return next((cell.begin.get("identity") or {} for cell in self.cells if cell.begin["variant"] == variant), {})


def full_name(variant: str, folder: str) -> str:
    """What a variant of a folder is called where several folders are compared."""
    return f"{variant} ({folder})"


def read_alike(paths: Sequence[Path], allow: Sequence[str]) -> tuple[list[Folder], list[str]]:
    """The folders, and a line for each allowed difference that there is.

    Raises:
        GanZooError: as `gan_zoo.bench.compare.compare` says.
    """
    if wrong := [name for name in allow if name not in MAY_DIFFER]:
        raise GanZooError(f"{wrong[0]!r} cannot be allowed to differ; only {', '.join(MAY_DIFFER)} can")
    folders = [_read(path, label) for path, label in zip(paths, _labels(paths), strict=True)]
    first = folders[0]
    lines: list[str] = []
    refused: list[str] = []
    for other in folders[1:]:
        for field, (one, another) in _unlike(first, other).items():
            line = f"{TITLES.get(field, field)}: {one} in {first.label} and {another} in {other.label}"
            (lines if field in allow else refused).append(line)
            if field in MAY_DIFFER and field not in allow:
                refused[-1] += f"; with --allow {field} they are compared all the same"
    if refused:
        raise GanZooError("\n".join(["figures that were not measured alike are not ranked together", *refused]))
    return folders, lines


def _labels(paths: Sequence[Path]) -> list[str]:
    """The folders' own names, with as many of those above them as it takes to tell them apart."""
    if len(paths) < 2:
        raise GanZooError("one folder has nothing to be compared with; name two or more, the earlier run first")
    whole = [Path(path).resolve() for path in paths]
    if again := [path for place, path in enumerate(whole) if path in whole[:place]]:
        raise GanZooError(f"results folder {str(paths[whole.index(again[0])])!r} is named twice; name each once")
    count = 1
    while len({path.parts[-count:] for path in whole}) < len(whole):
        count += 1
    return ["/".join(path.parts[-count:]) for path in whole]


def _read(path: Path, label: str) -> Folder:
    manifest = read_manifest(path)
    own, leading = own_extractor(manifest), ranked_by(manifest)
    if not own:
        raise GanZooError(f"nothing was measured in {str(path)!r}, so it has no place in a ranking: leave it out")
    cells = [cell for cell in read_runs(path) if cell.begin]
    found = protocols(manifest, cells).get(own, [])
    if not found:
        raise GanZooError(f"{str(path)!r} has no row that was measured yet; run its bench again to go on with it")
    if len(found) > 1:
        unlike = "; ".join(f"{TITLES[field]}: {one} and {other}"
                           for field, (one, other) in differences(*found[:2]).items())  # fmt: skip
        raise GanZooError(f"rows within {str(path)!r} were not measured alike ({unlike}); keep such runs apart")
    frames = tables(path)
    summary = frames["summary"]
    summary = summary[(summary["extractor"] == own) & (summary["metric"] == leading)].set_index("variant")
    return Folder(label, manifest, cells, frames["runs"], summary, found[0])


def _unlike(first: Folder, other: Folder) -> dict[str, tuple[str, str]]:
    """In what two folders differ that decides whether they can be ranked together."""
    found = differences(first.protocol, other.protocol)
    if first.metric != other.metric:
        found["leading measure"] = (first.metric.title, other.metric.title)
    if first.budget != other.budget:
        found["budget"] = (first.budget, other.budget)
    return found
