"""One variant by itself: train it, and sample from it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from gan_zoo import api, registry
from gan_zoo.bench import launch
from gan_zoo.bench.single import single_recipe
from gan_zoo.budget import Budget
from gan_zoo.cli.console import BenchListener
from gan_zoo.errors import GanZooError
from gan_zoo.io import check_writable
from gan_zoo.metrics.evaluator import CLASS_COLUMNS, COLUMNS, tile


def train(
    name: str,
    out: Path | None,
    console: Console,
    *,
    data: str,
    channels: int | None,
    budget: Budget,
    seed: int,
    settings: Mapping[str, Any],
    force: bool,
    device: str | None,
    **options: Any,
) -> None:
    """Train a variant into a results folder, and print its metrics; ``options`` are further ones of ``Recipe``.

    Raises:
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
        GanZooError: bad input, another run in ``out``, or a run that ends in an error or timeout.
    """
    if not (device or "").startswith("cuda"):
        launch.begin_early()
    variant = registry.get(name, **settings)
    recipe = single_recipe(variant, data, budget, seed=seed, channels=channels)
    with BenchListener(console) as listener:
        outcome = api.run_recipe(
            replace(recipe, isolate=True, device=device, **options), out, force=force, listener=listener
        )
    from gan_zoo.cli.ranking import print_outcome

    print_outcome(outcome, console)


def sample(
    path: Path, out: Path, console: Console, *, label: int | None, n: int, seed: int, device: str | None
) -> None:
    """Draw ``n`` images from a checkpoint into one PNG, 10 a row (5 a row up to 20); points into a CSV file."""
    sampler = api.load(path, device=device)
    if label is not None and sampler.conditional and not 0 <= label < sampler.classes:
        name = sampler.variant.name
        raise GanZooError(
            f"--class {label}: {name!r} knows the classes from 0 to {sampler.classes - 1}; ask for one of them"
        )
    images = sampler(n, labels=None if label is None else [label] * n, seed=seed)
    check_writable(out.parent)
    written = _write(images, out)
    kind = "points" if images.dim() == 2 else "images"
    asked = "" if label is None else f" of class {label}"
    console.print(f"wrote {n} {kind}{asked} by {sampler.variant.name} to {written}", highlight=False, soft_wrap=True)


def _write(samples: Tensor, path: Path) -> Path:
    """Write images uint8 (n, C, H, W) as one PNG, or points (n, D) as a CSV file beside it; gives the file."""
    if samples.dim() == 2:
        path = path.with_suffix(".csv")
        np.savetxt(path, samples.cpu().numpy(), delimiter=",", fmt="%.7g")
        return path
    columns = min(len(samples), COLUMNS if len(samples) <= COLUMNS * 4 else CLASS_COLUMNS)
    empty = samples.new_zeros(-len(samples) % columns, *samples.shape[1:])
    Image.fromarray(tile(torch.cat([samples, empty]), columns)).save(path, format="PNG")
    return path
