"""Samples as files: those of a run at its evaluations, and those of the command `sample`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_zoo.bench.records import Row
from gan_zoo.data import resize
from gan_zoo.engine import Sampler
from gan_zoo.io import atomic_path
from gan_zoo.metrics.evaluator import Measuring

COLUMNS, ROWS, CLASS_COLUMNS, CLASS_ROWS = 5, 4, 10, 10
NEIGHBOR_ROWS, NEIGHBORS = 6, 6


def write_samples(sampler: Sampler, evaluator: Measuring, fraction: float, folder: Path, step: int) -> Iterator[Row]:
    """Write the images of an evaluation into a folder, and yield the facts of each file.

    Raises:
        StorageError: a file cannot be written.
    """
    for kind, images, columns in _pictures(sampler, evaluator, fraction):
        file = folder / f"{kind}-{step:06d}.png"
        with atomic_path(file) as part:
            Image.fromarray(tile(images, columns)).save(part)
        size = {"columns": columns, "rows": len(images) // columns, "height": images.shape[2], "width": images.shape[3]}
        yield {"kind": kind, "file": file, **size}


def _pictures(sampler: Sampler, evaluator: Measuring, fraction: float) -> list[tuple[str, Tensor, int]]:
    """A grid of 20 from the same latents at every evaluation; at the last, if available, two more before it.

    These are a row a class (of more than ten the first ten), and the first of the grid beside the training images that
    are nearest to each, a sample a row. The grid comes last (``Plan.evaluated``).
    """
    classes = torch.arange(min(sampler.classes, CLASS_ROWS)) if sampler.conditional else None
    count = COLUMNS * ROWS
    grid = sampler(count, labels=None if classes is None else torch.arange(count) % sampler.classes)
    pictures = []
    if classes is not None and fraction == 1:
        labels = classes.repeat_interleave(CLASS_COLUMNS)
        pictures.append(("classes", sampler(len(labels), labels=labels), CLASS_COLUMNS))
    nearest = evaluator.neighbors(grid[:NEIGHBOR_ROWS], NEIGHBORS) if fraction == 1 else None
    if nearest is not None:
        shown = torch.cat([resize(grid[: len(nearest)], nearest.shape[-1])[:, None].to(nearest.device), nearest], dim=1)
        pictures.append(("neighbors", shown.flatten(0, 1), 1 + NEIGHBORS))
    return [*pictures, ("grid", grid, COLUMNS)]


def tile(images: Tensor, columns: int) -> Any:
    """Images uint8 (n, C, H, W) as one array (rows x H, columns x W) or (..., 3), without a border."""
    n, channels, height, width = images.shape
    grid = images.cpu().reshape(n // columns, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    array = grid.reshape(n // columns * height, columns * width, channels).numpy()
    return array[:, :, 0] if channels == 1 else array


def save(samples: Tensor, path: Path) -> Path:
    """Write images uint8 (n, C, H, W) as one PNG, 10 a row (5 up to 20), or points (n, D) as a CSV file; its path."""
    if samples.dim() == 2:
        path = path.with_suffix(".csv")
        np.savetxt(path, samples.cpu().numpy(), delimiter=",", fmt="%.7g")
        return path
    columns = min(len(samples), COLUMNS if len(samples) <= COLUMNS * 4 else CLASS_COLUMNS)
    empty = samples.new_zeros(-len(samples) % columns, *samples.shape[1:])
    Image.fromarray(tile(torch.cat([samples, empty]), columns)).save(path, format="PNG")
    return path
