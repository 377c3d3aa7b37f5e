"""One variant by itself: train it, and draw from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from gan_zoo import registry
from gan_zoo.bench.cell import CLASS_COLUMNS, COLUMNS, tile
from gan_zoo.cli.folder import make_folder
from gan_zoo.cli.interrupt import Interrupted
from gan_zoo.cli.progress import bars, figures
from gan_zoo.data import Dataset
from gan_zoo.data import load as load_data
from gan_zoo.engine import Budget, Run, State, checkpoint, failure, flush, init, train_to
from gan_zoo.engine.device import describe, pick
from gan_zoo.errors import GanZooError
from gan_zoo.pipeline import load
from gan_zoo.precision import EXACT
from gan_zoo.variant import Variant

POINTS = 2_500
"""Points that `train` writes, as many as modes are looked for among."""


def train(
    name: str,
    out: Path,
    console: Console,
    *,
    data: str,
    channels: int | None,
    budget: Mapping[str, float],
    seed: int,
    settings: list[str],
    data_root: Path | None,
    fallback: str | None,
    device: str | None,
    precision: str | None,
    force: bool,
) -> None:
    """Train a variant and write checkpoint.safetensors, history.csv and samples.png (of points: .csv) to ``out``.

    Raises:
        Interrupted: Ctrl-C; what was trained so far is written all the same.
        GanZooError: bad input, another run's files in ``out``, or a run that diverges or runs out of memory.
    """
    if seed < 0:
        raise GanZooError(f"--seed {seed} must be a whole number from 0 on")
    variant = registry.get(name, **dict(_setting(text) for text in settings))
    spent, place = Budget.of(budget), pick(device)
    dataset = load_data(
        data, side=variant.image_side, channels=channels, root=data_root, fallback=fallback, device=place
    )
    if dataset.note:
        console.print(f"[bold yellow]NOTE[/] {escape(dataset.note)}", highlight=False, soft_wrap=True)
    state = _begin(variant, dataset, seed, precision or EXACT, settings)
    if not force:
        _refuse_other(out, state)
    make_folder(out)
    facts = (f"{variant.title} on {dataset.name}", str(spent), f"seed {seed}", describe(place), state.precision)
    console.print(", ".join(facts), highlight=False, markup=False, soft_wrap=True)
    run, interrupted = _train(state, spent, name, console)
    run.history.to_csv(out / "history.csv", index=False)
    checkpoint.save(state, out / "checkpoint.safetensors")
    if run.status != "ok":
        raise GanZooError(
            f"the run {run.status.replace('_', ' ')}: {run.message}; its history and state are in {str(out)!r}"
        )
    samples = _write(run.sampler(POINTS if len(dataset.shape) == 1 else COLUMNS * 4), out / "samples.png")
    rate, kind = state.images / max(run.seconds, 1e-9), dataset.kind
    said = (
        f"{state.rounds:,} steps, {state.images:,} {kind} in {run.seconds:.1f} s ({rate:,.0f} {kind}/s): "
        f"checkpoint.safetensors, history.csv and {samples.name} are in {out}"
    )
    if interrupted:
        raise Interrupted(f"interrupted after {said}")
    console.print(said, highlight=False, markup=False, soft_wrap=True)


def _train(state: State, budget: Budget, name: str, console: Console) -> tuple[Run, bool]:
    """Train to the budget, or to Ctrl-C, with a bar: the run, and whether it was interrupted."""
    status, message, interrupted = "ok", "", False
    with bars(console) as progress:
        bar = progress.add_task(name, total=budget.amount, figures="")

        def on_block(state: State, values: Mapping[str, float]) -> None:
            rate = state.images / max(state.seconds, 1e-9)
            progress.update(bar, completed=budget.spent(state), figures=figures(rate, values))

        try:
            for _ in train_to(state, budget, on_block=on_block):
                pass
        except KeyboardInterrupt:
            flush(state)
            interrupted = True
        except Exception as error:
            status, message = failure(error)
    return Run(state, status, message), interrupted


def _begin(variant: Variant, dataset: Dataset, seed: int, precision: str, settings: list[str]) -> State:
    """The state to train, so that a setting that does not fit is named before anything is written."""
    try:
        return init(variant, dataset, seed, precision=precision)
    except GanZooError:
        raise
    except Exception as error:
        given = f" with {', '.join(settings)}" if settings else ""
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise GanZooError(f"variant {variant.name!r} cannot be made{given}: {why}") from error


def _refuse_other(out: Path, state: State) -> None:
    """Raise GanZooError where ``out`` holds another run: of another variant, other settings, data or seed."""
    path = out / "checkpoint.safetensors"
    if not path.is_file():
        return
    held = checkpoint.load(path).facts
    mine = {"variant": state.variant.name, "data": state.data_name, "seed": state.seed}
    mine["options"] = json.loads(json.dumps(dict(state.variant.options)))
    if other := [f"{key} {held[key]}, not {value}" for key, value in mine.items() if held[key] != value]:
        raise GanZooError(
            f"{str(out)!r} holds another run ({'; '.join(other)}); name another --out, or overwrite it with --force"
        )


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
    """Draw ``n`` images from a checkpoint into one PNG, 10 a row (5 a row up to 20); points into a CSV file."""
    sampler = load(path, device=device)
    if label is not None and sampler.conditional and not 0 <= label < sampler.classes:
        name = sampler.variant.name
        raise GanZooError(
            f"--class {label}: {name!r} knows the classes from 0 to {sampler.classes - 1}; ask for one of them"
        )
    images = sampler(n, labels=None if label is None else [label] * n, seed=seed)
    make_folder(out.parent)
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
