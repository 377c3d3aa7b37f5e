"""Response of each metric to known faults of the images.

Example: python -m benchmarks.studies.metric_sensitivity --data-root DIR

Applies faults to real test images and writes sensitivity.csv, .json, .md and .png to --out.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from benchmarks.common import run_command, save, table
from benchmarks.figure import figure
from gan_zoo import data as data_sets
from gan_zoo import text
from gan_zoo.data import Split
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.evaluator import measure
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.reference import Reference
from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import estimate, prediction_interval

SIDE = 32
SMOKE = {"data": "digits", "num_samples": 129, "draws": 3}
MARKS = {"worse": " ●", "better": " ▲", "not seen": ""}

Sample = tuple[Tensor, Tensor]
"""Images uint8 (N, C, H, W) and the class requested for each, int64 (N,)."""


@dataclass(frozen=True)
class Source:
    """The origin of samples: ``held_out`` are real images that are neither trained on nor in the reference."""

    held_out: Split
    training: Split
    classes: int
    num_samples: int

    def draw(self, random: torch.Generator, keep: Tensor | None = None) -> Sample:
        """Different held-out images, of the classes in ``keep`` alone if given. Raises GanZooError: too few."""
        labels = self.held_out.labels
        among = torch.arange(len(labels)) if keep is None else torch.isin(labels, keep).nonzero()[:, 0]
        if len(among) < self.num_samples:
            raise GanZooError(f"--num-samples {self.num_samples}: only {len(among)} images are left; lower it")
        index = among[torch.randperm(len(among), generator=random)[: self.num_samples]]
        return self.held_out.images[index], labels[index]


def _blurred(source: Source, sigma: float, random: torch.Generator) -> Sample:
    images, labels = source.draw(random)
    size = 2 * int(3 * sigma + 0.5) + 1
    return gaussian_blur(images, [size, size], [sigma, sigma]), labels


def _shifted(source: Source, pixels: float, random: torch.Generator) -> Sample:
    images, labels = source.draw(random)
    moved = torch.zeros_like(images)
    moved[..., int(pixels) :] = images[..., : images.shape[-1] - int(pixels)]
    return moved, labels


def _noisy(source: Source, levels: float, random: torch.Generator) -> Sample:
    images, labels = source.draw(random)
    noise = torch.randn(images.shape, generator=random) * levels
    return (images + noise).round().clamp(0, 255).to(torch.uint8), labels


def _without_classes(source: Source, count: float, random: torch.Generator) -> Sample:
    """The classes differ from draw to draw; the requested classes are those of the images."""
    dropped = torch.randperm(source.classes, generator=torch.Generator().manual_seed(random.initial_seed()))
    return source.draw(random, keep=dropped[int(count) :])


def _copied(source: Source, share: float, random: torch.Generator) -> Sample:
    """Training images in place of this share of the sample."""
    images, labels = (part.clone() for part in source.draw(random))
    copies = round(share * source.num_samples)
    index = torch.randperm(len(source.training), generator=random)[:copies]
    images[:copies] = source.training.images[index]
    labels[:copies] = source.training.labels[index]
    return images, labels


def _repeated(source: Source, times: float, random: torch.Generator) -> Sample:
    """Each image so many times, and as many fewer different ones."""
    images, labels = source.draw(random)
    index = torch.arange(source.num_samples) // int(times)
    return images[index], labels[index]


class Fault(NamedTuple):
    """One way to disturb a sample; ``unit`` is that of its strengths."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    make: Callable[[Source, float, torch.Generator], Sample]


NONE = Fault("none", "", (0.0,), lambda source, _strength, random: source.draw(random))
FAULTS = (
    Fault("blur", "pixels (standard deviation)", (0.4, 0.7, 1.5), _blurred),
    Fault("shift", "pixels", (1, 2, 4), _shifted),
    Fault("noise", "gray levels (standard deviation)", (10, 30, 90), _noisy),
    Fault("lost classes", "classes", (1, 2, 3), _without_classes),
    Fault("copied", "share of training images", (0.1, 0.5, 1.0), _copied),
    Fault("repeated", "times each image", (2, 10, 50), _repeated),
)


def sensitivity(data: str, root: Path | None, num_samples: int, draws: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Facts, and one row a fault, strength, draw and metric.

    Raises:
        GanZooError: missing data, too few images, fewer than two draws.
    """
    if draws < 2:
        raise GanZooError(f"--draws is {draws}; a spread needs at least 2")
    dataset = data_sets.load(data, side=SIDE, root=root)
    extractor = load_extractor("own", dataset=dataset)
    if num_samples < extractor.minimum_n:
        raise GanZooError(f"--num-samples is {num_samples}; {extractor.name} needs at least {extractor.minimum_n}")
    order = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))
    references, rest = order[:num_samples], order[num_samples:]
    held_out = Split(dataset.test.images[rest], dataset.test.labels[rest])
    source = Source(held_out, dataset.train, dataset.classes, num_samples)
    training = extractor.encode(dataset.train.images).vectors
    reference = Reference(extractor.encode(dataset.test.images[references]), training)
    rows = []
    cases = [(fault, strength) for fault in (NONE, *FAULTS) for strength in fault.strengths]
    for (fault, strength), draw in product(cases, range(draws)):
        # The same images for every fault, as far as the fault keeps them.
        images, labels = fault.make(source, strength, torch.Generator().manual_seed(draw + 1))
        facts = {"fault": fault.name, "unit": fault.unit, "strength": float(strength), "draw": draw}
        values = measure(extractor.encode(images), reference, labels=labels)
        rows += [{**facts, "metric": name, "value": value} for name, value in values.items()]
    facts = {"data": dataset.title, "extractor": extractor.name, "num_samples": num_samples, "draws": draws}
    return facts | {"held_out": len(held_out)}, pd.DataFrame(rows)


def verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a fault, strength and metric: mean with interval, and whether it is outside the spread without a fault.

    The spread is the 95% prediction interval of one more draw without a fault. ``change`` is the distance of the mean
    from its middle in half widths, positive if worse; the verdict is ``worse`` above 1 and ``better`` below -1.
    """
    floor = rows[rows["fault"] == NONE.name].groupby("metric")["value"].apply(list)
    found = []
    keys = ["fault", "unit", "strength", "metric"]
    for key, mine in rows.groupby(keys, sort=False):
        name = str(key[-1])
        log = METRICS[name].log
        low, high = prediction_interval(floor[name], log=log)
        mean = estimate(list(mine["value"]), log=log)
        change = _change(name, mean.mean, estimate(floor[name], log=log).mean, (low, high))
        facts = {"mean": mean.mean, "low": mean.low, "high": mean.high, "spread_low": low, "spread_high": high}
        found.append(dict(zip(keys, key, strict=True)) | facts | {"change": change})
    frame = pd.DataFrame(found)
    names = np.where(frame["change"] > 0, "worse", "better")
    return frame.assign(verdict=np.where(frame["change"].abs() <= 1 + 1e-9, "not seen", names))


def _change(name: str, mean: float, middle: float, spread: tuple[float, float]) -> float:
    """How far the mean is from the middle, in half widths of the spread on that side, positive if worse."""
    half = spread[1] - middle if mean > middle else middle - spread[0]
    if mean == middle:
        return 0.0
    # If draws without a fault all agree, any change is outside their spread.
    size = abs(mean - middle) / half if half > 0 else float("inf")
    better = METRICS[name].better
    worse = abs(mean - 0.5) > abs(middle - 0.5) if better == "half" else (mean > middle) == (better == "lower")
    return size if worse else -size


def _wide(found: pd.DataFrame, values: str) -> pd.DataFrame:
    """A row a fault and strength, a column a metric, in the order of METRICS."""
    keys = ["fault", "strength", "unit"]
    wide = found.pivot(index=keys, columns="metric", values=values)
    order = list(dict.fromkeys(found[keys].itertuples(index=False, name=None)))
    return wide.loc[order, [name for name in METRICS if name in wide]]


def markdown(facts: dict[str, Any], rows: pd.DataFrame) -> str:
    """The mean of each metric under each fault, and whether it is outside the spread without a fault."""
    found = verdicts(rows)
    found["marked"] = found["mean"].map(text.number) + found["verdict"].map(MARKS)
    about = f"`{facts['command']}`. {facts['data']}, {facts['extractor']}, num_samples {facts['num_samples']:,}, means "
    about += f"over {facts['draws']} draws. ● worse, ▲ better than 95% of draws without a fault."
    return "\n\n".join(["# Metrics under known faults", about, table(_wide(found, "marked").reset_index())]) + "\n"


def draw(path: Path, facts: dict[str, Any], rows: pd.DataFrame) -> None:
    """A row a fault and strength, a column a metric: mean values, colored by their change."""
    found = verdicts(rows)
    change, means = _wide(found, "change"), _wide(found, "mean")
    labels = [f"{fault} {strength:g}" for fault, strength, _ in change.index]
    size = (1.05 * change.shape[1] + 2.2, 0.34 * len(change) + 0.9)
    facts_line = f"{facts['data']} · {facts['extractor']} · N = {facts['num_samples']:,} · {facts['draws']} draws"
    with figure(path, "Metrics under a known fault", facts_line, panel=size) as (_, (axis,)):
        sns.heatmap(
            change.clip(-10, 10).to_numpy(),
            annot=means.map(text.number).to_numpy(),
            fmt="",
            cmap="RdBu_r",
            center=0,
            xticklabels=[METRICS[name].title for name in change],
            yticklabels=labels,
            cbar_kws={"label": "change, half widths of the spread (red: worse)"},
            ax=axis,
        )


OPTIONS = {
    "--num-samples": (2000, "images in each sample and in the reference"),
    "--data": ("mnist", "data set"),
    "--draws": (5, "draws of images, for the spread"),
    "--data-root": (Path, "folder that holds the data set"),
    "--out": (Path("results/trust"), "folder to write to"),
}


def run(options: argparse.Namespace) -> Path:
    """Measure and write; returns the path of the table."""
    facts, rows = sensitivity(options.data, options.data_root, options.num_samples, options.draws)
    facts = {"command": options.command} | facts
    draw(options.out / "sensitivity.png", facts, rows)
    return save(options.out, "sensitivity", facts, rows, markdown(facts, rows))


main = partial(run_command, __doc__, "studies.metric_sensitivity", run, OPTIONS, smoke=SMOKE)

if __name__ == "__main__":
    sys.exit(main())
