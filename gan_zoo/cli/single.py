"""One variant by itself: train it, and draw from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.markup import escape

from gan_zoo import registry
from gan_zoo.bench.cell import CLASS_COLUMNS, COLUMNS, tile
from gan_zoo.cli.progress import bars, figures
from gan_zoo.data import Dataset
from gan_zoo.data import load as load_data
from gan_zoo.engine import Budget, State, checkpoint, init
from gan_zoo.engine.device import describe, pick
from gan_zoo.errors import GanZooError
from gan_zoo.pipeline import load
from gan_zoo.pipeline import train as run_training
from gan_zoo.variant import Variant


def train(
    name: str,
    out: Path,
    console: Console,
    *,
    data: str,
    budget: Mapping[str, float],
    seed: int,
    settings: list[str],
    data_root: Path | None,
    fallback: str | None,
    device: str | None,
) -> None:
    """Train a variant and write checkpoint.safetensors, history.csv and samples.png to ``out``."""
    variant = registry.get(name, **dict(_setting(text) for text in settings))
    spent = Budget.of(budget)
    dataset = load_data(data, side=variant.image_side, root=data_root, fallback=fallback, device=pick(device))
    if dataset.note:
        console.print(f"[bold yellow]NOTE[/] {escape(dataset.note)}", highlight=False, soft_wrap=True)
    _try(variant, dataset, settings)
    out.mkdir(parents=True, exist_ok=True)
    console.print(f"{variant.title} on {dataset.name}, {spent}, seed {seed}, {describe(pick(device))}", highlight=False)
    with bars(console) as progress:
        bar = progress.add_task(name, total=spent.amount, figures="")

        def on_block(state: State, values: Mapping[str, float]) -> None:
            rate = state.images / max(state.seconds, 1e-9)
            progress.update(bar, completed=spent.spent(state), figures=figures(rate, values))

        run = run_training(variant, dataset, spent, seed=seed, on_block=on_block)
    run.history.to_csv(out / "history.csv", index=False)
    checkpoint.save(run.state, out / "checkpoint.safetensors")
    if run.status != "ok":
        raise GanZooError(
            f"the run {run.status.replace('_', ' ')}: {run.message}; its history and state are in {str(out)!r}"
        )
    Image.fromarray(tile(run.sampler(20), COLUMNS)).save(out / "samples.png")
    rate = run.state.images / run.seconds
    console.print(
        f"{run.state.rounds:,} steps, {run.state.images:,} images in {run.seconds:.1f} s ({rate:,.0f} images/s): "
        f"checkpoint.safetensors, history.csv and samples.png are in {out}",
        highlight=False,
        soft_wrap=True,
    )


def _try(variant: Variant, dataset: Dataset, settings: list[str]) -> None:
    """Make networks and optimizers once, so that a setting that does not fit is named before anything is written."""
    try:
        init(variant, dataset, 0)
    except GanZooError:
        raise
    except Exception as error:
        given = f" with {', '.join(settings)}" if settings else ""
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise GanZooError(f"variant {variant.name!r} cannot be made{given}: {why}") from error


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise GanZooError(f"--set {text!r} is not of the form NAME=VALUE")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def sample(
    path: Path, out: Path, console: Console, *, label: int | None, n: int, seed: int, device: str | None
) -> None:
    """Draw ``n`` images from a checkpoint into one PNG, 10 a row (5 a row up to 20)."""
    sampler = load(path, device=device)
    images = sampler(n, labels=None if label is None else [label] * n, seed=seed)
    columns = min(n, COLUMNS if n <= COLUMNS * 4 else CLASS_COLUMNS)
    empty = images.new_zeros(-n % columns, *images.shape[1:])
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile(torch.cat([images, empty]), columns)).save(out, format="PNG")
    asked = "" if label is None else f" of class {label}"
    console.print(f"wrote {n} images{asked} by {sampler.variant.name} to {out}", highlight=False, soft_wrap=True)
