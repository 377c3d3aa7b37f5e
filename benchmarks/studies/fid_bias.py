"""Bias of FID at finite N, and its limit at infinite N.

Example: python -m benchmarks.studies.fid_bias --data-root DIR

Measures FID at several N, of training images and of a `cgan` trained for a moment, extrapolates to infinite N (Chong
and Forsyth 2020, arXiv 1911.07023), and writes fid_n.csv, .json, .md and .png to --out.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.common import run_command, save, table
from benchmarks.figure import figure
from gan_zoo import api, registry, text
from gan_zoo import data as data_sets
from gan_zoo.data import Dataset
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.frechet import frechet_distance, frechet_infinity, moments
from gan_zoo.report.figures.style import INK

SIDE = 32
SMOKE = {"data": "digits", "counts": [130, 160, 240], "draws": 3, "steps": 20}

Found = tuple[dict[str, Any], pd.DataFrame]


def bias(data: str, root: Path | None, counts: Sequence[int], draws: int, steps: int) -> Found:
    """Facts with the limits, and one row a source, draw and N: of training images and of a generator.

    Each draw has other training images or other latents; the generator gets the classes of the test images.
    The test images are as many, drawn at random: at the largest N all of them, so that the intervals are over draws
    for this test split.

    Raises:
        GanZooError: missing data, N that the splits or the extractor do not allow, fewer than two draws.
    """
    dataset = data_sets.load(data, side=SIDE, root=root)
    extractor = load_extractor("own", dataset=dataset)
    counts = sorted(counts)
    _check(counts, draws, dataset, extractor)
    variant = registry.get("cgan", latent="100 normal", batch_size=64)
    sampler = api.train(variant, dataset, steps=steps, seed=0, device="cpu").sampler
    test = extractor.encode(dataset.test.images).vectors
    rows = []
    for draw in range(draws):
        order = _order(len(dataset.test), 2 * draw)[: counts[-1]]
        # Slices of one order of the training images: no image is in two draws.
        index = _order(len(dataset.train), 1)[draw * counts[-1] :][: counts[-1]]
        made = sampler(counts[-1], labels=dataset.test.labels[order], seed=draw)
        for source, images in (("real", dataset.train.images[index]), (variant.name, made)):
            fake = extractor.encode(images).vectors
            real = test[order]
            for count in counts:
                fid = frechet_distance(moments(fake[:count]), moments(real[:count]))
                rows.append({"source": source, "draw": draw, "num_samples": count, "fid": fid})
    frame = pd.DataFrame(rows)
    facts = {
        "data": dataset.title,
        "extractor": extractor.name,
        "draws": draws,
        "counts": counts,
        "generator": variant.name,
        "training": f"{steps:,} steps",
        "limits": {source: _limit(mine) for source, mine in frame.groupby("source", sort=False)},
    }
    return facts, frame


def _check(counts: list[int], draws: int, dataset: Dataset, extractor: Extractor) -> None:
    if draws < 2:
        raise GanZooError(f"--draws is {draws}; an interval needs at least 2")
    most = min(len(dataset.test), len(dataset.train) // draws)
    if counts[0] < extractor.minimum_n or counts[-1] > most:
        raise GanZooError(
            f"--counts run from {counts[0]} to {counts[-1]}; {extractor.name} on {dataset.title} with {draws} draws "
            f"allows {extractor.minimum_n} to {most}"
        )


def _order(total: int, seed: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))


def _limit(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    fids = rows.pivot_table("fid", "draw", "num_samples")
    found = frechet_infinity(list(fids.columns), fids.to_numpy().tolist())
    ends = {"limit": found.limit, "slope": found.slope}
    return {name: {end: getattr(estimate, end) for end in ("mean", "low", "high")} for name, estimate in ends.items()}


def markdown(facts: dict[str, Any], rows: pd.DataFrame) -> str:
    """FID at each N, the mean over draws, with the limit and the slope."""
    means = rows.pivot_table("fid", "source", "num_samples", sort=False)
    for name in ("limit", "slope"):
        means[name] = [text.estimate(**facts["limits"][source][name]) for source in means.index]
    about = f"`{facts['command']}`. {facts['data']}, {facts['extractor']}, generator: {facts['generator']}, "
    about += f"{facts['training']}. Means over {facts['draws']} draws; limit at infinite N and bias times N with 95% "
    about += "intervals over the draws, for one and the same test split."
    return "\n\n".join(["# FID against N", about, table(means.reset_index())]) + "\n"


def draw(path: Path, facts: dict[str, Any], rows: pd.DataFrame) -> None:
    """A panel a source: FID of each draw against 1/N, the line over all draws, and the limit with its interval."""
    sources = list(facts["limits"])
    facts_line = f"{facts['data']} · {facts['extractor']} · {facts['draws']} draws · {facts['training']}"
    with figure(path, "FID against N", facts_line, columns=len(sources), panel=(4.6, 3.4)) as (_, axes):
        for axis, source in zip(axes, sources, strict=True):
            mine = rows[rows["source"] == source]
            (limit, slope) = facts["limits"][source].values()
            axis.plot(1 / mine["num_samples"], mine["fid"], "o", markersize=4, alpha=0.6)
            reach = np.array([0.0, 1 / min(facts["counts"])])
            axis.plot(reach, limit["mean"] + slope["mean"] * reach, color=INK, linewidth=1.2)
            ends = [[limit["mean"] - limit["low"]], [limit["high"] - limit["mean"]]]
            axis.errorbar([0], [limit["mean"]], yerr=ends, fmt="D", color="#d55e00", capsize=4, markersize=5)
            axis.set(xlabel="1/N", ylabel="FID ↓", title=source)


OPTIONS = {
    "--counts": ([500, 1000, 2000, 5000, 10_000], "each N"),
    "--steps": (1000, "steps that the generator is trained for"),
    "--data": ("mnist", "data set"),
    "--draws": (5, "draws of images, for the spread"),
    "--data-root": (Path, "folder that holds the data set"),
    "--out": (Path("results/trust"), "folder to write to"),
}


def run(options: argparse.Namespace) -> Path:
    """Measure and write; returns the path of the table."""
    facts, rows = bias(options.data, options.data_root, options.counts, options.draws, options.steps)
    facts = {"command": options.command} | facts
    draw(options.out / "fid_n.png", facts, rows)
    return save(options.out, "fid_n", facts, rows, markdown(facts, rows))


main = partial(run_command, __doc__, "studies.fid_bias", run, OPTIONS, smoke=SMOKE)

if __name__ == "__main__":
    sys.exit(main())
