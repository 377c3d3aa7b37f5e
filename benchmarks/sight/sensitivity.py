"""Each measure of real test images with a known fault, beside that of the same images without it."""

from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from gan_zoo import data as data_sets
from gan_zoo.data import Split
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.measures import measure
from gan_zoo.metrics.reference import Reference
from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import GEOMETRIC, estimate, prediction_interval
from sight.faults import FAULTS, NONE, Fault, Source

SIDE = 32
_REFERENCE_SEED = 0
Verdict = Literal["worse", "better", "not seen"]


def sensitivity(data: str, root: Path | None, n: int, draws: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Facts, and a row a fault, strength, draw and measure.

    Raises:
        GanZooError: data that is not there, too few images for ``n``, fewer than two draws.
    """
    if draws < 2:
        raise GanZooError(f"--draws is {draws}; a spread needs at least 2")
    dataset = data_sets.load(data, side=SIDE, root=root)
    extractor = load_extractor("own", dataset=dataset)
    if n < extractor.minimum_n:
        raise GanZooError(f"--n is {n}; figures of {extractor.name} need at least {extractor.minimum_n} images")
    order = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(_REFERENCE_SEED))
    kept, rest = order[:n], order[n:]
    held = Split(dataset.test.images[rest], dataset.test.labels[rest])
    source = Source(held, dataset.train, dataset.classes, n)
    training = extractor.encode(dataset.train.images).vectors
    reference = Reference(extractor.encode(dataset.test.images[kept]), training)
    rows = [row for fault in (NONE, *FAULTS) for row in _rows(fault, source, extractor, reference, draws)]
    facts = {"data": dataset.title, "extractor": extractor.name, "n": n, "draws": draws, "held": len(held)}
    return facts, pd.DataFrame(rows)


def _rows(fault: Fault, source: Source, extractor: Extractor, reference: Reference, draws: int) -> list[dict[str, Any]]:
    rows = []
    for strength in fault.strengths:
        for draw in range(draws):
            # The same images for every fault, as far as the fault leaves them.
            images, asked = fault.make(source, strength, torch.Generator().manual_seed(draw + 1))
            values = measure(extractor.encode(images), reference, asked=asked)
            at = {"fault": fault.name, "unit": fault.unit, "strength": float(strength), "draw": draw}
            rows += [{**at, "metric": name, "value": value} for name, value in values.items()]
    return rows


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a fault, strength and measure: mean with interval, and whether it is past the spread without a fault.

    The spread is the 95% prediction interval of one more draw without a fault; ``change`` is the distance of the mean
    from its middle, in half widths, positive where worse, and the verdict follows from it.
    """
    floor = rows[rows["fault"] == NONE.name].groupby("metric")["value"].apply(list)
    found = []
    for (fault, unit, strength, name), mine in rows.groupby(["fault", "unit", "strength", "metric"], sort=False):
        spread = prediction_interval(floor[name], log=name in GEOMETRIC)
        middle = estimate(name, floor[name]).mean
        mean = estimate(name, list(mine["value"]))
        change = _change(str(name), mean.mean, middle, spread)
        found.append({"fault": fault, "unit": unit, "strength": strength, "metric": name, "mean": mean.mean,
                      "low": mean.low, "high": mean.high, "spread_low": spread[0], "spread_high": spread[1],
                      "change": change, "verdict": verdict(change)})  # fmt: skip
    return pd.DataFrame(found)


def verdict(change: float) -> Verdict:
    """Whether the measure tells that the images became worse, takes them for better, or does not see it."""
    if abs(change) <= 1 + 1e-9:
        return "not seen"
    return "worse" if change > 0 else "better"


def _change(name: str, mean: float, middle: float, spread: tuple[float, float]) -> float:
    """How far the mean is from the middle, in half widths of the spread on that side, positive where worse."""
    half = spread[1] - middle if mean > middle else middle - spread[0]
    if mean == middle:
        return 0.0
    # Where draws without a fault all agree, any change is past their spread.
    size = abs(mean - middle) / half if half > 0 else float("inf")
    better = METRICS[name].better
    worse = abs(mean - 0.5) > abs(middle - 0.5) if better == "half" else (mean > middle) == (better == "lower")
    return size if worse else -size
