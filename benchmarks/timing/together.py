"""Whether seeds of a small variant are trained faster together, on CUDA: graphs replayed on streams side by side.

Run as ``python -m timing.together DEVICE VARIANTS DATA_ROOT`` (variants by commas) it prints its rows as JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from gan_zoo import data, registry
from gan_zoo.device import synchronize
from gan_zoo.engine import State, advance, flush, init
from gan_zoo.engine.cuda_graphs import UNROLL, WARM_UP

SEEDS, ROUNDS, EPOCHS = 4, 5, 4
"""Seeds trained, rounds of measurement, and epochs that each seed trains in a turn."""


def measured(device: torch.device, variant: str, precision: str = "tf32") -> dict[str, Any]:
    """A row: images a second of the seeds one after another and side by side, in turns, and the ratio of the two.

    The ratio is a median over rounds, with the least and the largest.
    """
    made = registry.get(variant)
    dataset = data.load("mnist", side=made.image_side, device=device)
    states = [init(made, dataset, seed, precision=precision) for seed in range(SEEDS)]
    streams = [torch.cuda.Stream(device) for _ in states]
    epoch = -(-len(dataset.train) // made.batch_size)
    for state in states:
        advance(state, (WARM_UP + 1) * epoch)
        flush(state)

    def apart() -> None:
        for state in states:
            advance(state, EPOCHS * epoch)

    def together() -> None:
        # A stream of its own for each, as `advance` waits for the stream that it is called on.
        for _ in range(0, EPOCHS * epoch, UNROLL):
            for state, stream in zip(states, streams, strict=True):
                with torch.cuda.stream(stream):
                    advance(state, UNROLL)

    rates = [(_rate(apart, states, device), _rate(together, states, device)) for _ in range(ROUNDS)]
    ratios = [both / one for one, both in rates]
    return {
        "variant": variant,
        "precision": precision,
        "seeds": SEEDS,
        "execution": states[0].execution,
        "apart_images_per_second": statistics.median(one for one, _ in rates),
        "together_images_per_second": statistics.median(both for _, both in rates),
        "ratio_median": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def _rate(work: Callable[[], None], states: list[State], device: torch.device) -> float:
    before = sum(state.images for state in states)
    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    seconds = time.perf_counter() - started
    for state in states:
        flush(state)
    return (sum(state.images for state in states) - before) / seconds


if __name__ == "__main__":
    _, where, names = sys.argv
    rows = [measured(torch.device(where), name) for name in names.split(",")]
    print(json.dumps(rows))
