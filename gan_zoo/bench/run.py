"""One run: train a variant with a seed, measure it on the way, and append every row to its records."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.interrupts import Stop
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import (
    RECORDS,
    SCHEMA,
    Row,
    RunRecord,
    append,
    checkpoint_path,
    flush,
    is_finished,
    now,
    read_run,
    records_path,
)
from gan_zoo.device import is_fatal
from gan_zoo.engine import Sampler, State, checkpoint, failure, pending_row, start, take_notices, train_to
from gan_zoo.errors import GanZooError, Interrupted, StorageError, one_line
from gan_zoo.io import writing
from gan_zoo.metrics.evaluator import DiscriminatorEstimate, Measuring

_COUNTS = ("images", "seconds", "discriminator_steps", "generator_steps")


def execute_run(
    plan: Plan, run: RunSpec, evaluator: Measuring, folder: Path, listener: Listener, stop: Stop | None = None
) -> Row:
    """Execute a run to the end of its budget, from its last checkpoint if there is one, and return its last row.

    Whatever the variant's own code raises, also ``SystemExit`` or an ``OSError``, is the status of this run alone.

    Raises:
        StorageError: the records, checkpoint or samples cannot be written.
        Interrupted: a stop was requested; a checkpoint was written.
    """
    path = records_path(folder, run.name)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    listener.begin(run)
    if run.variant is None:
        end = _measure_real(plan, run, evaluator, path)
    else:
        end = _train(plan, run, evaluator, folder, listener, stop or Stop())
    # From the records, as the seconds of training: what an earlier session did counts, what is done again does not.
    end["evaluation_seconds"] = sum(row.get("evaluation_seconds", 0.0) for row in read_run(path).metrics)
    append(path, end)
    listener.end(run, end)
    return end


def _measure_real(plan: Plan, run: RunSpec, evaluator: Measuring, path: Path) -> Row:
    append(path, begin_row(plan, run, None))
    at = {"step": 0, "images": 0, "seconds": 0.0, "fraction": 1.0}
    try:
        for row in _metrics_rows(plan, at, evaluator, lambda: evaluator.floor(run.seed)):
            append(path, row)
    except StorageError:
        raise
    except Exception as error:
        return _failed(plan, run, None, error)
    return _end(plan, None, "ok", "")


def _train(plan: Plan, run: RunSpec, evaluator: Measuring, folder: Path, listener: Listener, stop: Stop) -> Row:
    path = records_path(folder, run.name)
    state: State | None = None
    try:
        state, fractions = _start(plan, run, folder, listener)
        on_chunk = _on_chunk(plan, run, folder, listener, stop)
        for fraction in train_to(state, plan.budget, fractions, on_block=_on_block(path), on_chunk=on_chunk):
            listener.evaluate(run)
            _milestone(plan, run, state, fraction, evaluator, folder)
        _append_pending(path, state)
        why = _collapse(plan, run, read_run(path))
        return _end(plan, state, "collapsed" if why else "ok", why)
    except (StorageError, Interrupted):
        raise
    except BaseException as error:
        # A second Ctrl-C; anything else is the variant's own, also while a stop is requested.
        if stop.requested and isinstance(error, KeyboardInterrupt):
            raise
        _ensure_begun(plan, run, folder)
        if state is not None and not is_fatal(error, plan.device):
            _append_pending(path, state)
        return _failed(plan, run, state, error)


def _failed(plan: Plan, run: RunSpec, state: State | None, error: BaseException) -> Row:
    """The last row of a run that raised; ``fatal`` where no other run can be run in this process."""
    try:
        status, message = failure(error, run.variant)
    except BaseException:
        status, message = "error", one_line(error)
    end = _end(plan, state, status, message)
    return end | {"fatal": True} if is_fatal(error, plan.device) else end


def _start(plan: Plan, run: RunSpec, folder: Path, listener: Listener) -> tuple[State, Sequence[float]]:
    """The state to train from, and the evaluations that are left of it."""
    path = records_path(folder, run.name)
    record = read_run(path) if path.is_file() else RunRecord(run.name)
    if record.begin and not record.damage:
        state = restored(plan, run, folder, listener)
        if state is not None:
            append(path, {"row": "resume", "step": state.iterations})
            return state, _left(plan, run, state, read_run(path), listener)
        if record.end is not None:
            listener.notice(f"{run.title}: it has no checkpoint to resume from, and is trained again from the start")
    state = _init(plan, run)
    _begin(plan, run, folder, state)
    return state, plan.evaluate_at


def _begin(plan: Plan, run: RunSpec, folder: Path, state: State | None) -> None:
    """Begin the records, without the checkpoints of records that they replace: nothing may resume from those."""
    saved = checkpoint_path(folder, run.name)
    for file in (saved, checkpoint.previous(saved)):
        with writing(file):
            file.unlink(missing_ok=True)
    append(records_path(folder, run.name), begin_row(plan, run, state))


def _init(plan: Plan, run: RunSpec) -> State:
    assert run.variant is not None
    data = plan.data[run.variant.image_side]
    return start(run.variant, data, run.seed, precision=plan.precision, graphs=plan.options.graphs)


def restored(plan: Plan, run: RunSpec, folder: Path, listener: Listener) -> State | None:
    """The state of the last checkpoint, or of the one before it if the last is damaged; None without either."""
    path = checkpoint_path(folder, run.name)
    for saved in (path, checkpoint.previous(path)):
        if saved.is_file():
            try:
                return checkpoint.restore(_init(plan, run), checkpoint.load(saved))
            except GanZooError as error:
                listener.notice(f"{run.title}: {error}; it resumes from an earlier state")
    return None


def _left(plan: Plan, run: RunSpec, state: State, record: RunRecord, listener: Listener) -> list[float]:
    """The evaluations that are not on record: those ahead, and one at this very step."""
    here = {"row": "metrics", "step": state.iterations, **_counts(state), "fraction": 1.0}
    here["budget"] = _budget(plan)
    evaluated = plan.evaluated(record)
    due = plan.schedule.evaluations(RunRecord(run.name, record.begin, metrics=[here]))
    passed = [f for f in plan.evaluate_at if plan.budget.steps_left(state, f) == 0 and f not in evaluated]
    if missed := [f for f in passed if f not in due]:
        amounts = ", ".join(f"{plan.schedule.amount * fraction:,.10g}" for fraction in missed)
        listener.notice(f"{run.title}: trained beyond {amounts} {plan.schedule.unit} already, so not evaluated there")
    return [f for f in plan.evaluate_at if plan.budget.steps_left(state, f) > 0 or (f in passed and f in due)]


def _on_block(path: Path) -> Callable[[State, Any], None]:
    def on_block(state: State, _values: Any) -> None:
        append(path, {"row": "history", **state.history.rows[-1]})

    return on_block


def _append_pending(path: Path, state: State) -> None:
    """Append the row of history of an interval that the budget or a failure cut; an extended run replaces it."""
    if (row := pending_row(state)) is not None:
        append(path, {"row": "history", **row, "partial": True})


def _on_chunk(plan: Plan, run: RunSpec, folder: Path, listener: Listener, stop: Stop) -> Callable[[State], None]:
    """What is done a few times a second between two steps: progress, a checkpoint when it is due, and a stop."""
    saved = time.monotonic()

    def on_chunk(state: State) -> None:
        nonlocal saved
        for text in take_notices(state):
            listener.notice(f"{run.title}: {text}")
        row = pending_row(state) or state.history.rows[-1]
        rate = state.images / state.seconds if state.seconds else 0.0
        listener.block(run, plan.budget.spent(state) / plan.budget.amount, rate, row["values"])
        if stop.requested or time.monotonic() - saved >= plan.options.checkpoint_every:
            _save(run, folder, state)
            saved = time.monotonic()
        if stop.requested:
            raise stop.interrupted(f"{run.title}: stopped at step {state.iterations:,}")

    return on_chunk


def _budget(plan: Plan) -> dict[str, float]:
    return {plan.schedule.unit: plan.schedule.amount}


def _counts(state: State) -> Row:
    return {name: getattr(state, name) for name in _COUNTS}


def _milestone(plan: Plan, run: RunSpec, state: State, fraction: float, evaluator: Measuring, folder: Path) -> None:
    """Measure, draw samples, and only then save the state: what a checkpoint has passed is on record.

    The row that makes the evaluation count (``Plan.evaluated``) is appended last: a kill before it has it repeated.
    """
    sampler, path = Sampler.of(state), records_path(folder, run.name)
    at = {"step": state.iterations, **_counts(state), "fraction": fraction, "budget": _budget(plan)}
    measured: list[Row] = []
    if plan.extractors:
        measured = _metrics_rows(
            plan,
            at,
            evaluator,
            lambda: evaluator.measure(sampler, run.seed, discriminator=discriminator_estimate(state)),
        )
    for artifact in evaluator.artifacts(sampler, folder / RECORDS / run.name, state.iterations, last=fraction == 1):
        file = artifact["file"].relative_to(folder).as_posix()
        append(path, {"row": artifact["row"], **at, **artifact, "file": file})
    for row in measured:
        append(path, row)
    _save(run, folder, state)


def _save(run: RunSpec, folder: Path, state: State) -> None:
    flush(records_path(folder, run.name))
    checkpoint.save(state, checkpoint_path(folder, run.name), keep_previous=True)


def _metrics_rows(plan: Plan, at: Row, evaluator: Measuring, measure: Callable[[], list[Row]]) -> list[Row]:
    """The rows of an evaluation, with the seconds that it took, divided among them."""
    before = evaluator.seconds
    rows = measure()
    took = (evaluator.seconds - before) / max(1, len(rows))
    shared = {"row": "metrics", **at, "evaluation_seconds": took}
    return [{**shared, **row, "measurement": plan.measurement_digests.get(row["extractor"])} for row in rows]


def _collapse(plan: Plan, run: RunSpec, record: RunRecord) -> str:
    """Why the run counts as collapsed; empty if it does not.

    Of points the modes are a measure, and a seed that misses them belongs in its mean.
    """
    if plan.measured.kind != "images" or run.variant is None:
        return ""
    evaluated = plan.evaluated(record).get(1.0, [])
    return collapse(evaluated, record.history, probability=run.variant.objective.probability)


def _ensure_begun(plan: Plan, run: RunSpec, folder: Path) -> None:
    """Append the row that records begin with, if there is none, so that the tables have the run."""
    path = records_path(folder, run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or not read_run(path).begin:
        _begin(plan, run, folder, None)


def record_death(plan: Plan, run: RunSpec, folder: Path, status: str, message: str) -> Row:
    """The last row of a run whose process is gone: its own if it had finished, else one that is appended.

    What it had done is according to its records.
    """
    path = records_path(folder, run.name)
    _ensure_begun(plan, run, folder)
    record = read_run(path)
    if record.end is not None and is_finished(plan, folder, run):
        return record.end
    last = max([*record.history, *record.metrics], key=lambda row: int(row["step"]), default={})
    counts = {name: last.get(name, 0) for name in _COUNTS}
    end = _end_row(status, message, counts, last.get("step", 0)) | {
        "images_per_second": None,
        "peak_memory_bytes": None,
    }
    append(path, end)
    return end


def begin_row(plan: Plan, run: RunSpec, state: State | None) -> Row:
    """The row that a run's records begin with; without a state, what is known before it is made."""
    row: Row = {
        "row": "begin",
        "schema": SCHEMA,
        "variant": run.variant_name,
        "seed": run.seed,
        "data": plan.measured.name,
        "preset": plan.preset_name,
        "started": now(),
        "precision": plan.precision,
        "identity": run.identity,
    }
    if run.variant is None:
        return row | {"title": f"{plan.measured.title} training images", "conditioning": "none", "overrides": []}
    variant = run.variant
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
        "overrides": list(plan.overrides[variant.display_name]),
        "deviations": list(variant.deviations),
    }


def _end_row(status: str, message: str, counts: Row, steps: int) -> Row:
    return {"row": "end", "status": status, "message": message, "ended": now(), **counts, "steps": steps}


def _end(plan: Plan, state: State | None, status: str, message: str) -> Row:
    counts = _counts(state) if state else dict.fromkeys(_COUNTS, 0) | {"seconds": 0.0}
    row = _end_row(status, message, counts, state.iterations if state else 0)
    row["budget"] = _budget(plan)
    row["execution"] = state.execution if state else ""
    row["images_per_second"] = state.images / state.seconds if state and state.seconds else None
    row["warmup_seconds"] = state.warmup_seconds if state else 0.0
    row["peak_memory_bytes"] = state.peak_memory if state else None
    return row


def discriminator_estimate(state: State) -> DiscriminatorEstimate | None:
    """The state's discriminator as an estimate of D*; None if its optimum is another, by loss, packing or labels."""
    variant = state.variant
    constrained = variant.penalties or variant.after_discriminator_step is not None or variant.packing > 1
    if not variant.objective.estimates_ratio or constrained or variant.discriminator_is_conditional:
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
