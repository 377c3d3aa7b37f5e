"""One cell: train a variant with a seed, measure it on the way, and write down every row as it comes."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.evaluation import Measuring
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import CellPlan, Plan
from gan_zoo.bench.points import PointEvaluator, judge_of
from gan_zoo.bench.records import CELLS, Row, append, read_cell
from gan_zoo.data import resize
from gan_zoo.engine import Sampler, State, checkpoint, failure, init, train_to
from gan_zoo.engine.device import peak_memory, reset_peak_memory
from gan_zoo.errors import GanZooError

CHECKPOINTS = "checkpoints"
COLUMNS, ROWS, CLASS_COLUMNS, CLASS_ROWS = 5, 4, 10, 10
NEIGHBOR_ROWS, NEIGHBORS = 6, 6
FINISHED = ("ok", "collapsed", "diverged", "out_of_memory")


def is_finished(folder: Path, cell: CellPlan) -> bool:
    """Whether the cell's records are complete; one that ended in an error is tried again."""
    path = records_path(folder, cell)
    return path.is_file() and read_cell(path).status in FINISHED


def records_path(folder: Path, cell: CellPlan) -> Path:
    """The file of a cell's rows."""
    return folder / CELLS / f"{cell.name}.jsonl"


def checkpoint_path(folder: Path, cell: CellPlan) -> Path:
    """The file of a cell's state."""
    return folder / CHECKPOINTS / f"{cell.name}.safetensors"


def run_cell(plan: Plan, cell: CellPlan, evaluator: Measuring, folder: Path, listener: Listener) -> Row:
    """Run one cell to its end, from its last checkpoint where it was interrupted, and give back its last row.

    Divergence and memory that runs out end the cell with a status of their own; so does any other error of the
    variant's own code, which is not retried within this run.
    """
    path = records_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener.begin(cell)
    reset_peak_memory(plan.device)
    if cell.variant is None:
        append(path, begin_row(plan, cell, None))
        at = {"step": 0, "images": 0, "seconds": 0.0, "fraction": 1.0}
        _append_metrics(path, at, evaluator, lambda: evaluator.floor(cell.seed))
        end = _end(plan, None, "ok", "")
    else:
        end = _train(plan, cell, evaluator, folder, listener)
    # From the records, as the seconds of training: what an earlier session did counts, what is done again does not.
    end["evaluation_seconds"] = sum(row.get("evaluation_seconds", 0.0) for row in read_cell(path).metrics)
    append(path, end)
    listener.end(cell, end)
    return end


def _train(plan: Plan, cell: CellPlan, evaluator: Measuring, folder: Path, listener: Listener) -> Row:
    state: State | None = None
    try:
        state, fractions = _start(plan, cell, folder)
        # A kill after the last milestone leaves nothing to train: the status is then that of the rows on record.
        measured = read_cell(records_path(folder, cell)).metrics
        last = measured[len(measured) - len(plan.extractors) :]
        for fraction in train_to(state, plan.budget, fractions, on_block=_on_block(plan, cell, folder, listener)):
            last = _milestone(plan, cell, state, fraction, evaluator, folder)
        why = _collapse(plan, cell, last, folder)
        return _end(plan, state, "collapsed" if why else "ok", why)
    except OSError:
        raise
    except Exception as error:
        begin_anyhow(plan, cell, folder)
        try:
            status, message = failure(error)
        except Exception:
            status, message = "error", " ".join(f"{type(error).__name__}: {error}".split())
        return _end(plan, state, status, message)


def _start(plan: Plan, cell: CellPlan, folder: Path) -> tuple[State, Sequence[float]]:
    """The state to go on from, and the milestones that are left."""
    assert cell.variant is not None
    state = init(cell.variant, plan.data[cell.variant.image_side], cell.seed, precision=plan.precision)
    path, saved = records_path(folder, cell), checkpoint_path(folder, cell)
    if path.is_file() and read_cell(path).begin and saved.is_file():
        try:
            checkpoint.restore(state, checkpoint.load(saved))
            append(path, {"row": "resume", "step": state.rounds})
            fractions = [f for f in plan.evaluate_at if plan.budget.rounds_left(state, f) > 0]
            return state, fractions
        except GanZooError:
            state = init(cell.variant, plan.data[cell.variant.image_side], cell.seed, precision=plan.precision)
    append(path, begin_row(plan, cell, state))
    return state, plan.evaluate_at


def _on_block(plan: Plan, cell: CellPlan, folder: Path, listener: Listener) -> Any:
    path = records_path(folder, cell)

    def on_block(state: State, values: Mapping[str, float]) -> None:
        append(path, {"row": "history", **state.history.rows[-1]})
        rate = state.images / state.seconds if state.seconds else 0.0
        listener.block(cell, plan.budget.spent(state) / plan.budget.amount, rate, values)

    return on_block


def _milestone(
    plan: Plan, cell: CellPlan, state: State, fraction: float, evaluator: Measuring, folder: Path
) -> list[Row]:
    """Measure, draw samples, and only then save the state: what a checkpoint has passed is on record."""
    sampler, path = Sampler.of(state), records_path(folder, cell)
    at = {"step": state.rounds, "images": state.images, "seconds": state.seconds, "fraction": fraction}
    at |= {name: getattr(state, name) for name in ("discriminator_steps", "generator_steps")}
    rows = _append_metrics(path, at, evaluator, lambda: evaluator.measure(sampler, cell.seed, judge=judge_of(state)))
    pictures = folder / CELLS / cell.name
    pictures.mkdir(exist_ok=True)
    if isinstance(evaluator, PointEvaluator):
        file = pictures / f"points-{state.rounds:06d}.npz"
        evaluator.record(file, densities=fraction == 1)
        append(path, {"row": "points", **at, "file": file.relative_to(folder).as_posix()})
    else:
        for picture in _write_pictures(sampler, evaluator, fraction, pictures, state.rounds):
            picture["file"] = picture["file"].relative_to(folder).as_posix()
            append(path, {"row": "samples", **at, **picture})
    checkpoint.save(state, checkpoint_path(folder, cell))
    return rows


def _write_pictures(sampler: Sampler, evaluator: Measuring, fraction: float, folder: Path, step: int) -> Iterator[Row]:
    """Write a milestone's pictures of images; gives the facts of each."""
    for kind, images, columns in _pictures(sampler, evaluator, fraction):
        file = folder / f"{kind}-{step:06d}.png"
        Image.fromarray(tile(images, columns)).save(file)
        size = {"columns": columns, "rows": len(images) // columns, "height": images.shape[2], "width": images.shape[3]}
        yield {"kind": kind, "file": file, **size}


def _append_metrics(path: Path, at: Row, evaluator: Measuring, measure: Callable[[], list[Row]]) -> list[Row]:
    """Write down the rows that an evaluation gives, with the seconds that it took, shared out among them."""
    before = evaluator.seconds
    rows = measure()
    took = (evaluator.seconds - before) / max(1, len(rows))
    for row in rows:
        append(path, {"row": "metrics", **at, **row, "evaluation_seconds": took})
    return rows


def _pictures(sampler: Sampler, evaluator: Measuring, fraction: float) -> list[tuple[str, Tensor, int]]:
    """A grid of 20 from the same latents at every milestone; at the last also, where they are to be had, two more.

    These are a row a class (of more than ten the first ten), and the first of the grid beside the training images that
    are nearest to each, a sample a row.
    """
    classes = torch.arange(min(sampler.classes, CLASS_ROWS)) if sampler.conditional else None
    count = COLUMNS * ROWS
    grid = sampler(count, labels=None if classes is None else torch.arange(count) % sampler.classes)
    pictures = [("grid", grid, COLUMNS)]
    if classes is not None and fraction == 1:
        labels = classes.repeat_interleave(CLASS_COLUMNS)
        pictures.append(("classes", sampler(len(labels), labels=labels), CLASS_COLUMNS))
    nearest = evaluator.neighbors(grid[:NEIGHBOR_ROWS], NEIGHBORS) if fraction == 1 else None
    if nearest is not None:
        shown = torch.cat([resize(grid[: len(nearest)], nearest.shape[-1])[:, None].to(nearest.device), nearest], dim=1)
        pictures.append(("neighbors", shown.flatten(0, 1), 1 + NEIGHBORS))
    return pictures


def tile(images: Tensor, columns: int) -> Any:
    """Images uint8 (n, C, H, W) as one array (rows x H, columns x W) or (..., 3), without a border."""
    n, channels, height, width = images.shape
    grid = images.cpu().reshape(n // columns, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    array = grid.reshape(n // columns * height, columns * width, channels).numpy()
    return array[:, :, 0] if channels == 1 else array


def _collapse(plan: Plan, cell: CellPlan, last: list[Row], folder: Path) -> str:
    """Why the run counts as collapsed; empty where it does not.

    Of points the modes are a measure, and a seed that misses them belongs in its mean.
    """
    if plan.measured.kind != "images" or cell.variant is None:
        return ""
    history = read_cell(records_path(folder, cell)).history
    return collapse(last, history, probability=cell.variant.objective.probability)


def begin_anyhow(plan: Plan, cell: CellPlan, folder: Path) -> None:
    """See to it that a cell's records have begun, so that its end is told in the tables."""
    path = records_path(folder, cell)
    if not path.is_file() or not read_cell(path).begin:
        append(path, begin_row(plan, cell, None))


def begin_row(plan: Plan, cell: CellPlan, state: State | None) -> Row:
    """The row that a cell's records begin with; without a state, what is known before it is made."""
    row: Row = {
        "row": "begin",
        "cell": cell.name,
        "variant": cell.variant_name,
        "seed": cell.seed,
        "data": plan.measured.name,
        "preset": plan.preset_name,
        "started": now(),
        "precision": plan.precision,
        "identity": cell.identity,
    }
    if cell.variant is None:
        return row | {"title": f"{plan.measured.title} training images", "conditioning": "none", "departures": []}
    variant = cell.variant
    networks = {} if state is None else state.networks._asdict()
    return row | {
        "title": variant.title,
        "paper": variant.paper,
        "conditioning": variant.conditioning,
        "latent": str(variant.latent),
        "objective": variant.objective.title,
        "score_kind": "probability" if variant.objective.probability else "score",
        "batch_size": variant.batch_size,
        "budget": plan.preset.budget,
        "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        "departures": list(plan.departures[variant.shown]),
        "deviations": list(variant.deviations),
    }


def _end(plan: Plan, state: State | None, status: str, message: str) -> Row:
    counts = ("images", "discriminator_steps", "generator_steps", "seconds")
    row: Row = {"row": "end", "status": status, "message": message, "ended": now()}
    row |= {name: getattr(state, name) if state else 0 for name in counts}
    row["steps"] = state.rounds if state else 0
    row["execution"] = state.execution if state else ""
    row["images_per_second"] = state.images / state.seconds if state and state.seconds else None
    row["peak_memory_bytes"] = peak_memory(plan.device)
    return row


def now() -> str:
    """The time, in UTC, as ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
