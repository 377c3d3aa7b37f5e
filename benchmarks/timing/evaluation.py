"""What measuring a generator costs: seconds per 10,000 images, and the share of it in a run.

Run as ``python -m timing.evaluation DEVICE VARIANTS DATA_ROOT`` (variants by commas) it prints the seconds as JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gan_zoo.metrics.measures import measure

from gan_zoo import data, registry
from gan_zoo.bench.records import read_runs
from gan_zoo.device import synchronize
from gan_zoo.engine import Sampler, init
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.reference import Reference

N, EXTRACTOR = 10_000, "mnist-cnn"
TRIES, SECONDS_A_PART = 3, 5.0
MEASURES = {
    "FID": ("fid",),
    "IS": ("is",),
    "KID": ("kid",),
    "precision, recall, density, coverage": ("precision", "recall", "density", "coverage"),
    "all measures in one call": ("fid", "is", "kid", "precision", "recall", "density", "coverage"),
}


def measured(device: torch.device, variants: Sequence[str]) -> dict[str, Any]:
    """Seconds of each part for N images: training images stand for generated, test images for real ones."""
    mnist = data.load("mnist", device=device)
    extractor = load_extractor(EXTRACTOR, device=device)
    seconds = {f"generate, {name}": _seconds(_generation(name, mnist), device) for name in variants}
    fakes, real = mnist.train.images[:N], mnist.test.images[:N]
    seconds["encode"] = _seconds(lambda: extractor.encode(fakes), device)
    features, reference = extractor.encode(fakes), Reference(extractor.encode(real))
    started = time.perf_counter()
    reference.to_tensors()
    once = time.perf_counter() - started
    for title, names in MEASURES.items():
        seconds[title] = _seconds(partial(measure, features, reference, names=names), device)
    return {"n": N, "extractor": EXTRACTOR, "seconds": seconds, "statistics_of_real_images_once": once}


def _generation(name: str, mnist: data.Dataset) -> Callable[[], Any]:
    """Draws N images from a fresh generator; what they look like costs nothing."""
    variant = registry.get(name)
    if variant.image_side != mnist.shape[-1]:
        mnist = data.load("mnist", side=variant.image_side, device=mnist.train.images.device)
    sampler = Sampler.of(init(variant, mnist, 0))
    return lambda: sampler(N, labels=torch.arange(N) % sampler.classes if sampler.conditional else None)


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """The median of several calls after a first one, of fewer where they are long."""
    times: list[float] = []
    while len(times) <= TRIES and sum(times) < SECONDS_A_PART:
        synchronize(device)
        started = time.perf_counter()
        work()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)


def share_of_run(folder: Path) -> dict[str, Any] | None:
    """Evaluation's share of the seconds of a results folder's cells; None where its records do not tell.

    Raises:
        GanZooError: no results folder.
    """
    ends = [cell.end for cell in read_runs(folder) if cell.end and cell.end.get("steps")]
    told = [end for end in ends if end.get("evaluation_seconds") is not None]
    if not told:
        return None
    training, evaluating = (sum(end[key] for end in told) for key in ("seconds", "evaluation_seconds"))
    return {
        "results": folder.as_posix(),
        "cells": len(told),
        "training_seconds": training,
        "evaluation_seconds": evaluating,
        "share": evaluating / (training + evaluating),
        "peak_memory_bytes": max(end["peak_memory_bytes"] or 0 for end in told) or None,
    }


if __name__ == "__main__":
    _, where, names = sys.argv
    print(json.dumps(measured(torch.device(where), names.split(","))))
