"""FID against N, of real training images and of one generator, and its limit at infinite N."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from gan_zoo import api, registry
from gan_zoo import data as data_sets
from gan_zoo.data import Dataset
from gan_zoo.engine import Sampler
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.extrapolation import Extrapolation, frechet_infinity
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.frechet import frechet_distance, moments

SIDE = 32
VARIANT = "cgan"


def bias(
    data: str, root: Path | None, counts: Sequence[int], draws: int, *, steps: int, saved: Path | None
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Facts with the limits, and a row a source, draw and N: of training images and of a generator.

    Each draw is of other training images, none twice, or of other latents; a conditional generator is asked for the
    classes of the test images that it is compared with. Those are as many, drawn at random: all of them at the largest
    N that the split allows, so that the intervals are those over draws for this test split.

    Raises:
        GanZooError: data or a checkpoint that is not there, an N that the splits or the extractor do not allow, fewer
            than two draws.
    """
    dataset = data_sets.load(data, side=SIDE, root=root)
    extractor = load_extractor("own", dataset=dataset)
    counts = sorted(counts)
    _check(counts, draws, dataset, extractor)
    sampler = api.load(saved, device="cpu") if saved else _trained(dataset, steps)
    held = extractor.encode(dataset.test.images).vectors
    rows = []
    for draw in range(draws):
        order = _order(len(dataset.test), 2 * draw)[: counts[-1]]
        # Slices of one order of the training images: no image is in two draws.
        index = _order(len(dataset.train), 1)[draw * counts[-1] :][: counts[-1]]
        asked = dataset.test.labels[order] if sampler.conditional else None
        made = sampler(counts[-1], labels=asked, seed=draw)
        for source, images in (("real", dataset.train.images[index]), (sampler.variant.name, made)):
            rows += _rows({"source": source, "draw": draw}, extractor, images, held[order], counts)
    frame = pd.DataFrame(rows)
    facts = {"data": dataset.title, "extractor": extractor.name, "draws": draws, "counts": list(counts),
             "generator": sampler.variant.name, "training": saved.name if saved else f"{steps:,} steps"}  # fmt: skip
    return facts | {"limits": {source: _limit(mine) for source, mine in frame.groupby("source", sort=False)}}, frame


def _check(counts: list[int], draws: int, dataset: Dataset, extractor: Extractor) -> None:
    if draws < 2:
        raise GanZooError(f"--draws is {draws}; an interval needs at least 2")
    most = min(len(dataset.test), len(dataset.train) // draws)
    if counts[0] < extractor.minimum_n or counts[-1] > most:
        raise GanZooError(
            f"--counts run from {counts[0]} to {counts[-1]}; {extractor.name} on {dataset.title} with {draws} draws "
            f"allows {extractor.minimum_n} to {most}"
        )


def _trained(dataset: Dataset, steps: int) -> Sampler:
    variant = registry.get(VARIANT, latent="100 normal", batch_size=64)
    return api.train(variant, dataset, {"steps": steps}, seed=0, device="cpu").sampler


def _order(total: int, seed: int) -> Tensor:
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))


def _rows(
    at: dict[str, Any], extractor: Extractor, images: Tensor, real: Tensor, counts: Sequence[int]
) -> list[dict[str, Any]]:
    fake = extractor.encode(images).vectors
    return [{**at, "n": n, "fid": frechet_distance(moments(fake[:n]), moments(real[:n]))} for n in counts]


def _limit(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    table = rows.pivot_table("fid", "draw", "n")
    found: Extrapolation = frechet_infinity(list(table.columns), table.to_numpy().tolist())
    return {name: {"mean": one.mean, "low": one.low, "high": one.high}
            for name, one in (("limit", found.limit), ("slope", found.slope))}  # fmt: skip
