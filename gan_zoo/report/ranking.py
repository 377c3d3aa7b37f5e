"""The rows of the ranking on the first screen: values on a common axis, ratio to the best, failures, time, samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.report.answer import spread_text
from gan_zoo.report.figures.style import linear_ticks, log_ticks
from gan_zoo.report.sheets import Frame, Sheets
from gan_zoo.report.tables import PLACED, note

SAMPLES = 6
"""Samples in a row of the ranking."""
_REACH = 1.6
"""The axis reaches so many times beyond the means; a longer interval is cut."""
_TICK_GAP = 0.24
_FEW_ROWS = 7
_HIGH, _LOW = 56, 32
"""The most CSS pixels of the height of a sample: of few rows, and of many."""
_LEAST = 0.85


@dataclass(frozen=True)
class Axis:
    """Positions of values in percent of the width of a column, and its ticks with their text."""

    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...] = ()

    @classmethod
    def of(cls, entries: Sequence[Entry], seeds: Mapping[str, Sequence[float]], *, log: bool) -> "Axis":
        """The axis of the final values of these entries; logarithmic if ``log`` is set and all values are positive."""
        means = [entry.value.mean for entry in entries]
        ends = [value for entry in entries for value in (entry.value.low, entry.value.high) if entry.has_interval]
        values = np.array([*means, *ends, *(value for entry in entries for value in seeds[entry.variant])], dtype=float)
        values = values[np.isfinite(values)]
        log = log and bool(values.min() > 0)
        if log:
            low = max(values.min(), min(means) / _REACH) / 1.05
            high = min(values.max(), max(means) * _REACH) * 1.05
        else:
            width = (max(means) - min(means)) or abs(max(means)) or 1.0
            low = max(values.min(), min(means) - _REACH * width) - 0.05 * width
            high = min(values.max(), max(means) + _REACH * width) + 0.05 * width
        bare = cls(float(low), float(high), log)
        ticks = (log_ticks if log else linear_ticks)(bare.low, bare.high, _TICK_GAP)
        return replace(bare, ticks=tuple((bare.at(tick), f"{tick:g}") for tick in ticks))

    def at(self, value: float) -> float:
        """The position of a value in percent, cut at both ends."""
        scale = math.log if self.log else float
        if self.log and value <= 0:
            return 0.0
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def holds(self, value: float) -> bool:
        """Whether a value is within the axis."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Mark:
    """The mean, interval and seeds of a variant on the axis, in percent.

    Attributes:
        low, high: ends of the interval; None with fewer seeds than a test needs.
        cut: whether the interval reaches beyond the axis: ``low``, ``high`` or both.
        seeds: the single seeds, where there is no interval.
    """

    mean: float
    low: float | None
    high: float | None
    cut: tuple[str, ...]
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Tile:
    """One tile of an embedded sheet: its CSS class, and the position and size of its background in percent."""

    name: str
    x: float
    y: float
    columns: int
    rows: int


@dataclass(frozen=True)
class Row:
    """One row of the ranking, as text; ``block`` begins a block of its own with this heading."""

    entry: Entry
    label: str
    note: str
    value: str
    spread: str
    mark: Mark | None
    ratio: str
    ratio_interval: str
    failures: str
    time: str
    tiles: tuple[Tile, ...]
    tile_size: tuple[int, int]
    caption: str
    block: str


@dataclass(frozen=True)
class Ranking:
    """The rows in the order of the page, with their axis; None if nothing has a value."""

    rows: tuple[Row, ...]
    axis: Axis | None


def ranking(results: Results, sheets: Sheets, labels: Mapping[str, str]) -> Ranking:
    """The ranking of a results folder; ``labels`` are the variants' names with their marks."""
    entries = results.entries
    placed = [entry for entry in entries if entry.kind in PLACED]
    seeds = {entry.variant: () if entry.has_interval else results.final_values(entry.variant) for entry in entries}
    axis = Axis.of(placed, seeds, log=results.geometric) if placed else None
    rows = []
    previous = ""
    for entry in entries:
        block = _heading(results, entry, previous) if entry.kind != previous and previous else ""
        previous = entry.kind
        frame = _frame(results, sheets, entry)
        shown = entry.kind in PLACED
        rows.append(
            Row(
                entry=entry,
                label=labels.get(entry.variant, entry.variant),
                note=note(results, entry) or _networks(results, entry),
                value=text.number(entry.value.mean),
                spread=_spread(results, entry),
                mark=_mark(entry, seeds[entry.variant], axis) if axis and shown else None,
                ratio=_ratio(entry, results),
                ratio_interval=text.interval(*entry.to_best[1:]) if entry.rank != 1 else "",
                failures=text.share(entry.failures) if entry.kind in (*PLACED, "unranked") else "",
                time=text.duration(entry.seconds) if shown else "",
                tiles=_tiles(frame),
                tile_size=_tile_size(frame, len(entries)),
                caption=frame.label if frame else "",
                block=block,
            )
        )
    return Ranking(tuple(rows), axis)


def _heading(results: Results, entry: Entry, previous: str) -> str:
    headings = {
        "floor": f"Real {results.samples}" if previous == "apart" else "",
        "apart": f"Not ranked: trained on another number of {results.samples}",
        "unranked": "Not ranked: no successful seed",
    }
    return headings.get(entry.kind, "")


def _networks(results: Results, entry: Entry) -> str:
    """What the generator is given and how large it is: ``labels, 1.76M parameters``."""
    run = results.runs[results.runs["variant"] == entry.variant].iloc[0]
    count = run["generator_parameters"]
    size = f"{text.short_count(count)} parameters" if text.known(count) else ""
    return ", ".join(filter(None, ["labels" if run["conditioning"] not in ("", "none") else "", size]))


def _spread(results: Results, entry: Entry) -> str:
    spread = spread_text(results, entry)
    return f"seeds: {spread}" if spread and not entry.has_interval else spread


def _ratio(entry: Entry, results: Results) -> str:
    if entry.rank == 1:
        return "1" if results.geometric else "0"
    return text.number(entry.to_best[0]) if text.known(entry.to_best[0]) else ""


def _mark(entry: Entry, seeds: Sequence[float], axis: Axis) -> Mark:
    value = entry.value
    if not entry.has_interval:
        return Mark(axis.at(value.mean), None, None, (), tuple(axis.at(seed) for seed in seeds))
    cut = [side for side, end in (("low", value.low), ("high", value.high)) if not axis.holds(end)]
    return Mark(axis.at(value.mean), axis.at(value.low), axis.at(value.high), tuple(cut), ())


def _frame(results: Results, sheets: Sheets, entry: Entry) -> Frame | None:
    """The last grid of the first successful seed, else of the first seed with one."""
    grids = [frame for frame in sheets.frames if frame.variant == entry.variant and frame.kind == "grid"]
    runs = results.runs[results.runs["variant"] == entry.variant]
    failed = dict(zip(runs["seed"], runs["status"] != "ok", strict=True))
    return min(grids, key=lambda frame: (failed.get(frame.seed, True), frame.seed, -frame.step), default=None)


def _tiles(frame: Frame | None) -> tuple[Tile, ...]:
    if frame is None:
        return ()
    count = min(SAMPLES, frame.columns * frame.rows)
    places = [divmod(index, frame.columns) for index in range(count)]
    return tuple(
        Tile(frame.name, _percent(column, frame.columns), _percent(row, frame.rows), frame.columns, frame.rows)
        for row, column in places
    )


def _percent(index: int, count: int) -> float:
    return round(100 * index / (count - 1), 4) if count > 1 else 0.0


def _tile_size(frame: Frame | None, rows: int) -> tuple[int, int]:
    """Width and height of a tile in CSS pixels: a whole multiple of its pixels, if one is about as high as a row."""
    if frame is None:
        return (0, 0)
    most = _HIGH if rows <= _FEW_ROWS or frame.columns == 1 else _LOW
    factor: float = most // frame.height
    if factor * frame.height < _LEAST * most:
        factor = _LEAST * most / frame.height
    return (round(frame.width * factor), round(frame.height * factor))
