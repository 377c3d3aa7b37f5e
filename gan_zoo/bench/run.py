"""One run: train a variant with a seed, measure it on the way, and append every row to its records."""

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.interrupts import Stop
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import CellPlan, Plan
from gan_zoo.bench.records import CELLS, Cell, Row, append, flush, read_cell
from gan_zoo.device import is_fatal
from gan_zoo.engine import Sampler, State, checkpoint, failure, pending_row, start, take_notices, train_to
from gan_zoo.errors import GanZooError, Interrupted, StorageError
from gan_zoo.io import writing
from gan_zoo.metrics.evaluator import DiscriminatorEstimate, Measuring

CHECKPOINTS = "checkpoints"


def records_path(folder: Path, cell: CellPlan) -> Path:
    """The file of a run's rows."""
    return folder / CELLS / f"{cell.name}.jsonl"


def checkpoint_path(folder: Path, cell: CellPlan) -> Path:
    """The file of a run's state."""
    return folder / CHECKPOINTS / f"{cell.name}.safetensors"


def run_cell(
    plan: Plan, cell: CellPlan, evaluator: Measuring, folder: Path, listener: Listener, stop: Stop | None = None
) -> Row:
    """Run one run to the end of its budget, from its last checkpoint if there is one, and return its last row.

    Whatever the variant's own code raises, also ``SystemExit`` or an ``OSError``, is the status of this run alone.

    Raises:
        StorageError: the records, checkpoint or samples cannot be written.
        Interrupted: a stop was requested; a checkpoint was written.
    """
    path = records_path(folder, cell)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    listener.begin(cell)
    if cell.variant is None:
        end = _measure_real(plan, cell, evaluator, path)
    else:
        end = _train(plan, cell, evaluator, folder, listener, stop or Stop())
    # From the records, as the seconds of training: what an earlier session did counts, what is done again does not.
    end["evaluation_seconds"] = sum(row.get("evaluation_seconds", 0.0) for row in read_cell(path).metrics)
    append(path, end)
    listener.end(cell, end)
    return end


def _measure_real(plan: Plan, cell: CellPlan, evaluator: Measuring, path: Path) -> Row:
    append(path, begin_row(plan, cell, None))
    at = {"step": 0, "images": 0, "seconds": 0.0, "fraction": 1.0}
    try:
        for row in _metrics_rows(plan, at, evaluator, lambda: evaluator.floor(cell.seed)):
            append(path, row)
    except StorageError:
        raise
    except Exception as error:
        return _failed(plan, cell, None, error)
    return _end(plan, None, "ok", "")


def _train(plan: Plan, cell: CellPlan, evaluator: Measuring, folder: Path, listener: Listener, stop: Stop) -> Row:
    path = records_path(folder, cell)
    state: State | None = None
    try:
        state, fractions = _start(plan, cell, folder, listener)
        on_chunk = _on_chunk(plan, cell, folder, listener, stop)
        for fraction in train_to(state, plan.budget, fractions, on_block=_on_block(path), on_chunk=on_chunk):
            listener.evaluate(cell)
            _milestone(plan, cell, state, fraction, evaluator, folder)
        _append_pending(path, state)
        why = _collapse(plan, cell, read_cell(path))
        return _end(plan, state, "collapsed" if why else "ok", why)
    except (StorageError, Interrupted):
        raise
    except BaseException as error:
        # A second Ctrl-C; anything else is the variant's own, also while a stop is requested.
        if stop.requested and isinstance(error, KeyboardInterrupt):
            raise
        begin_anyhow(plan, cell, folder)
        if state is not None and not is_fatal(error, plan.device):
            _append_pending(path, state)
        return _failed(plan, cell, state, error)


def _failed(plan: Plan, cell: CellPlan, state: State | None, error: BaseException) -> Row:
    """The last row of a run that raised; ``fatal`` where no other run can be run in this process."""
    try:
        status, message = failure(error, cell.variant)
    except BaseException:
        status, message = "error", " ".join(f"{type(error).__name__}: {error}".split())
    end = _end(plan, state, status, message)
    return end | {"fatal": True} if is_fatal(error, plan.device) else end


def _start(plan: Plan, cell: CellPlan, folder: Path, listener: Listener) -> tuple[State, Sequence[float]]:
    """The state to train from, and the evaluations that are left of it."""
    path = records_path(folder, cell)
    record = read_cell(path) if path.is_file() else Cell(cell.name)
    if record.begin and not record.damage:
        state = restored(plan, cell, folder, listener)
        if state is not None:
            append(path, {"row": "resume", "step": state.rounds})
            return state, _left(plan, cell, state, read_cell(path), listener)
        if record.end is not None:
            listener.notice(f"{cell.title}: it has no checkpoint to resume from, and is trained again from the start")
    state = _init(plan, cell)
    _begin(plan, cell, folder, state)
    return state, plan.evaluate_at


def _begin(plan: Plan, cell: CellPlan, folder: Path, state: State | None) -> None:
    """Begin the records, without the checkpoints of records that they replace: nothing may resume from those."""
    saved = checkpoint_path(folder, cell)
    for file in (saved, checkpoint.previous(saved)):
        with writing(file):
            file.unlink(missing_ok=True)
    append(records_path(folder, cell), begin_row(plan, cell, state))


def _init(plan: Plan, cell: CellPlan) -> State:
    assert cell.variant is not None
    data = plan.data[cell.variant.image_side]
    return start(cell.variant, data, cell.seed, precision=plan.precision, graphs=plan.recipe.graphs)


def restored(plan: Plan, cell: CellPlan, folder: Path, listener: Listener) -> State | None:
    """The state of the last checkpoint, or of the one before it if the last is damaged; None without either."""
    path = checkpoint_path(folder, cell)
    for saved in (path, checkpoint.previous(path)):
        if saved.is_file():
            try:
                return checkpoint.restore(_init(plan, cell), checkpoint.load(saved))
            except GanZooError as error:
                listener.notice(f"{cell.title}: {error}; it resumes from an earlier state")
    return None


def _left(plan: Plan, cell: CellPlan, state: State, record: Cell, listener: Listener) -> list[float]:
    """The evaluations that are not on record: those ahead, and one at this very step."""
    here = {"row": "metrics", "step": state.rounds, **_counts(state), "fraction": 1.0}
    here["budget"] = _budget(plan)
    evaluated = plan.evaluated(record)
    due = plan.schedule.evaluations(Cell(cell.name, record.begin, metrics=[here]))
    passed = [f for f in plan.evaluate_at if plan.budget.rounds_left(state, f) == 0 and f not in evaluated]
    if missed := [f for f in passed if f not in due]:
        amounts = ", ".join(f"{plan.schedule.amount * fraction:,.10g}" for fraction in missed)
        listener.notice(f"{cell.title}: trained beyond {amounts} {plan.schedule.unit} already, so not evaluated there")
    return [f for f in plan.evaluate_at if plan.budget.rounds_left(state, f) > 0 or (f in passed and f in due)]


def _on_block(path: Path) -> Callable[[State, Any], None]:
    def on_block(state: State, _values: Any) -> None:
        append(path, {"row": "history", **state.history.rows[-1]})

    return on_block


def _append_pending(path: Path, state: State) -> None:
    """Append the row of history of an interval that the budget or a failure cut; an extended run replaces it."""
    if (row := pending_row(state)) is not None:
        append(path, {"row": "history", **row, "partial": True})


def _on_chunk(plan: Plan, cell: CellPlan, folder: Path, listener: Listener, stop: Stop) -> Callable[[State], None]:
    """What is done a few times a second between two steps: progress, a checkpoint when it is due, and a stop."""
    saved = time.monotonic()

    def on_chunk(state: State) -> None:
        nonlocal saved
        for text in take_notices(state):
            listener.notice(f"{cell.title}: {text}")
        row = pending_row(state) or state.history.rows[-1]
        rate = state.images / state.seconds if state.seconds else 0.0
        listener.block(cell, plan.budget.spent(state) / plan.budget.amount, rate, row["values"])
        if stop.requested or time.monotonic() - saved >= plan.recipe.checkpoint_every:
            _save(cell, folder, state)
            saved = time.monotonic()
        if stop.requested:
            raise stop.interrupted(f"{cell.title}: stopped at step {state.rounds:,}")

    return on_chunk


def _budget(plan: Plan) -> dict[str, float]:
    return {plan.schedule.unit: plan.schedule.amount}


def _counts(state: State) -> Row:
    names = ("images", "seconds", "discriminator_steps", "generator_steps")
    return {name: getattr(state, name) for name in names}


def _milestone(plan: Plan, cell: CellPlan, state: State, fraction: float, evaluator: Measuring, folder: Path) -> None:
    """Measure, draw samples, and only then save the state: what a checkpoint has passed is on record.

    The row that makes the evaluation count (``Plan.evaluated``) is appended last: a kill before it has it repeated.
    """
    sampler, path = Sampler.of(state), records_path(folder, cell)
    at = {"step": state.rounds, **_counts(state), "fraction": fraction, "budget": _budget(plan)}
    measured: list[Row] = []
    if plan.extractors:
        measured = _metrics_rows(
            plan,
            at,
            evaluator,
            lambda: evaluator.measure(sampler, cell.seed, discriminator=discriminator_estimate(state)),
        )
    for artifact in evaluator.artifacts(sampler, folder / CELLS / cell.name, state.rounds, last=fraction == 1):
        file = artifact["file"].relative_to(folder).as_posix()
        append(path, {"row": artifact["row"], **at, **artifact, "file": file})
    for row in measured:
        append(path, row)
    _save(cell, folder, state)


def _save(cell: CellPlan, folder: Path, state: State) -> None:
    flush(records_path(folder, cell))
    checkpoint.save(state, checkpoint_path(folder, cell), keep_previous=True)


def _metrics_rows(plan: Plan, at: Row, evaluator: Measuring, measure: Callable[[], list[Row]]) -> list[Row]:
    """The rows of an evaluation, with the seconds that it took, divided among them."""
    before = evaluator.seconds
    rows = measure()
    took = (evaluator.seconds - before) / max(1, len(rows))
    shared = {"row": "metrics", **at, "evaluation_seconds": took}
    return [{**shared, **row, "measurement": plan.measurement_digests.get(row["extractor"])} for row in rows]


def _collapse(plan: Plan, cell: CellPlan, record: Cell) -> str:
    """Why the run counts as collapsed; empty if it does not.

    Of points the modes are a measure, and a seed that misses them belongs in its mean.
    """
    if plan.measured.kind != "images" or cell.variant is None:
        return ""
    evaluated = plan.evaluated(record).get(1.0, [])
    return collapse(evaluated, record.history, probability=cell.variant.objective.probability)


def begin_anyhow(plan: Plan, cell: CellPlan, folder: Path) -> None:
    """Append the row that records begin with, if there is none, so that the tables have the run."""
    path = records_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or not read_cell(path).begin:
        _begin(plan, cell, folder, None)


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
    none = {"images": 0, "seconds": 0.0, "discriminator_steps": 0, "generator_steps": 0}
    row: Row = {"row": "end", "status": status, "message": message, "ended": now()}
    row |= _counts(state) if state else none
    row["steps"] = state.rounds if state else 0
    row["budget"] = _budget(plan)
    row["execution"] = state.execution if state else ""
    row["images_per_second"] = state.images / state.seconds if state and state.seconds else None
    row["warmup_seconds"] = state.warmup_seconds if state else 0.0
    row["peak_memory_bytes"] = state.peak_memory if state else None
    return row


def now() -> str:
    """The time, in UTC, as ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def discriminator_estimate(state: State) -> DiscriminatorEstimate | None:
    """The state's discriminator as an estimate of D*; None if its optimum is another, by loss, packing or labels."""
    variant = state.variant
    constrained = variant.penalties or variant.after_discriminator_step is not None
    if not variant.objective.estimates_ratio or constrained or variant.packing > 1 or variant.judges_labels:
        return None
    discriminator = state.networks.discriminator

    @torch.no_grad()
    def probability(samples: Tensor) -> Tensor:
        training = discriminator.training
        discriminator.eval()
        try:
            output = discriminator(samples)
        finally:
            discriminator.train(training)
        return (output.score if hasattr(output, "score") else output).sigmoid()

    return DiscriminatorEstimate(probability, Sampler(variant, state.networks.generator, state.classes))
