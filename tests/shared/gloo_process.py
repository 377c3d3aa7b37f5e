"""A process of a data parallel run on small networks, by Gloo: ``gloo_process.py VARIANT STEPS FOLDER``."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from states import weights

from gan_zoo.engine import advance, init
from gan_zoo.engine.parallel import join
from gan_zoo.networks.mlp import mlp
from gan_zoo.options import RunOptions
from gan_zoo.registry import get
from gan_zoo.validation import random_data


def trained(name, steps, parallel=None):
    """The weights of a variant without batch norm, in float64, after so many steps."""
    networks = partial(mlp, generator=(8,), discriminator=(8,))
    variant = replace(get(name), networks=networks, batch_size=8, norm="none", generator_norm="none")
    state = init(variant, random_data(4, n=45), 0, dtype=torch.float64, parallel=parallel)
    return weights(advance(state, steps))


def main():
    *names, steps, folder = sys.argv[1:]
    with join(RunOptions(device="cpu")) as (parallel, _):
        for name in names:
            torch.save(trained(name, int(steps), parallel), Path(folder) / f"{name}-{parallel.rank}.pt")


if __name__ == "__main__":
    main()
