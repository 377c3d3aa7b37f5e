"""One run: train a variant with a seed, measure it on the way, and append every row to its records."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.executors.processes import Stop
from gan_zoo.bench.parallel import send_state
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import (
    RECORDS,
    Row,
    RunRecord,
    append,
    checkpoint_path,
    flush,
    read_run,
    records_path,
)
from gan_zoo.bench.run_rows import COUNTS, begin, begin_row, counts_of, end_row, ensure_begun
from gan_zoo.device import is_fatal
from gan_zoo.engine import Sampler, State, checkpoint, failure, pending_row, start, take_notices, train_to
from gan_zoo.engine.parallel import END
from gan_zoo.errors import GanZooError, Interrupted, StorageError, one_line
from gan_zoo.io import writing
from gan_zoo.metrics.evaluator import DiscriminatorEstimate, Measuring
from gan_zoo.metrics.features import MetricError


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
    end = _Execution(plan, run, evaluator, folder, path, listener, stop or Stop()).execute()
    # From the records, as the seconds of training: what an earlier session did counts, what is done again does not.
    end["evaluation_seconds"] = sum(row.get("evaluation_seconds", 0.0) for row in read_run(path).metrics)
    append(path, end)
    if plan.parallel is not None and run.variant is not None:
        # The others end now, before the real images are measured and the report is written.
        plan.parallel.send(END)
    listener.end(run, end)
    return end


@dataclass
class _Execution:
    plan: Plan
    run: RunSpec
    evaluator: Measuring
    folder: Path
    path: Path
    listener: Listener
    stop: Stop
    state: State | None = None
    saved: float = 0.0
    """When the last checkpoint between evaluations was written, or training began."""

    def execute(self) -> Row:
        """Train or measure, and return the last row, which is not written yet."""
        try:
            if self.run.variant is None:
                self._measure_untrained()
            else:
                self._train()
            why = self._collapse()
            return self._end("collapsed" if why else "ok", why)
        except (StorageError, Interrupted):
            raise
        except BaseException as error:
            # A second Ctrl-C; anything else is the variant's own, also while a stop is requested.
            if self.stop.requested and isinstance(error, KeyboardInterrupt):
                raise
            return self._failed(error)

    def _measure_untrained(self) -> None:
        append(self.path, begin_row(self.plan, self.run, None))
        at = {"step": 0, "images": 0, "seconds": 0.0, "fraction": 1.0}
        images = None if self.run.images is None else self.run.images.draw(self.plan.preset.num_samples)

        def measure() -> list[Row]:
            return self.evaluator.floor(self.run.seed) if images is None else self.evaluator.measure_images(images)

        measured = self._metrics_rows(at, measure)
        self._append_artifacts(at, self.evaluator.untrained_artifacts(images, self._samples))
        for row in measured:
            append(self.path, row)

    @property
    def _samples(self) -> Path:
        return self.folder / RECORDS / self.run.name

    def _append_artifacts(self, at: Row, artifacts: Iterable[Row]) -> None:
        for artifact in artifacts:
            file = artifact["file"].relative_to(self.folder).as_posix()
            append(self.path, {"row": artifact["row"], **at, **artifact, "file": file})

    def _train(self) -> None:
        self.state, fractions = self._start()
        if self.plan.parallel is not None:
            send_state(self.plan.parallel, self.state)
        self.saved = time.monotonic()

        def on_block(state: State, _values: Any) -> None:
            append(self.path, {"row": "history", **state.history.rows[-1]})

        for fraction in train_to(self.state, self.plan.budget, fractions, on_block=on_block, on_chunk=self._on_chunk):
            self.listener.evaluate(self.run)
            self._evaluate(self.state, fraction)
        self._append_pending(self.state)

    def _start(self) -> tuple[State, Sequence[float]]:
        """The state to train from, and the evaluations that are left of it."""
        record = read_run(self.path) if self.path.is_file() else RunRecord(self.run.name)
        if record.begin and not record.damage:
            state = self._restored()
            if state is not None:
                append(self.path, {"row": "resume", "step": state.iterations})
                return state, self._left(state, read_run(self.path))
            if record.end is not None:
                self._notice("it has no checkpoint to resume from, and is trained again from the start")
        state = self._initial()
        begin(self.plan, self.run, self.folder, state)
        return state, self.plan.evaluate_at

    def _notice(self, text: str) -> None:
        self.listener.notice(f"{self.run.title}: {text}")

    def _initial(self) -> State:
        variant, plan = self.run.variant, self.plan
        assert variant is not None
        data, graphs = plan.data[variant.image_side], plan.options.graphs
        return start(variant, data, self.run.seed, precision=plan.precision, graphs=graphs, parallel=plan.parallel)

    def _restored(self) -> State | None:
        """The state of the last checkpoint, or of the one before it if the last is damaged; None without either."""
        path = checkpoint_path(self.folder, self.run.name)
        for saved in (path, checkpoint.previous(path)):
            if saved.is_file():
                try:
                    return checkpoint.restore(self._initial(), checkpoint.load(saved))
                except GanZooError as error:
                    self._notice(f"{error}; it resumes from an earlier state")
        return None

    def _left(self, state: State, record: RunRecord) -> list[float]:
        """The evaluations that are not on record: those ahead, and one at this very step."""
        plan = self.plan
        evaluated = plan.evaluated(record)
        here = {"row": "metrics", **self._at(state, 1.0)}
        due = plan.schedule.evaluations(RunRecord(self.run.name, record.begin, metrics=[here]))
        ahead = [fraction for fraction in plan.evaluate_at if plan.budget.steps_left(state, fraction) > 0]
        passed = [fraction for fraction in plan.evaluate_at if fraction not in ahead and fraction not in evaluated]
        if missed := [fraction for fraction in passed if fraction not in due]:
            amounts = ", ".join(f"{plan.schedule.amount * fraction:,.10g}" for fraction in missed)
            self._notice(f"trained beyond {amounts} {plan.schedule.unit} already, so not evaluated there")
        return [
            fraction for fraction in plan.evaluate_at if fraction in ahead or (fraction in passed and fraction in due)
        ]

    def _append_pending(self, state: State) -> None:
        """Append the row of history of an interval that the budget or a failure cut; an extended run replaces it."""
        if (row := pending_row(state)) is not None:
            append(self.path, {"row": "history", **row, "partial": True})

    def _on_chunk(self, state: State) -> None:
        """What is done a few times a second between two steps: progress, a checkpoint when it is due, and a stop."""
        plan, run = self.plan, self.run
        for text in take_notices(state):
            self._notice(text)
        row = pending_row(state) or state.history.rows[-1]
        rate = state.images / state.seconds if state.seconds else 0.0
        self.listener.block(run, plan.budget.spent(state) / plan.budget.amount, rate, row["values"])
        self.listener.tick()
        if self.stop.requested or time.monotonic() - self.saved >= plan.options.checkpoint_every:
            self._save(state)
            self.saved = time.monotonic()
        if self.stop.requested:
            raise self.stop.interrupted(f"{run.title}: stopped at step {state.iterations:,}")

    def _at(self, state: State, fraction: float) -> Row:
        return {"step": state.iterations, **counts_of(state), "fraction": fraction, "budget": self.plan.schedule.budget}

    def _evaluate(self, state: State, fraction: float) -> None:
        """Measure, draw samples, and only then save the state: what a checkpoint has passed is on record.

        The row that makes the evaluation count (``Plan.evaluated``) is appended last: a kill before it has it repeated.
        """
        sampler, at, seed = Sampler.of(state), self._at(state, fraction), self.run.seed
        measured: list[Row] = []
        if self.plan.extractors:
            try:
                measured = self._metrics_rows(
                    at, lambda: self.evaluator.measure(sampler, seed, discriminator=discriminator_estimate(state))
                )
            except MetricError:
                self._save(state)  # So that nothing is trained again after the metric is fixed.
                raise
        artifacts = self.evaluator.artifacts(sampler, self._samples, state.iterations, last=fraction == 1)
        self._append_artifacts(at, artifacts)
        for row in measured:
            append(self.path, row)
        self._save(state)

    def _save(self, state: State) -> None:
        flush(self.path)
        checkpoint.save(state, checkpoint_path(self.folder, self.run.name), keep_previous=True)

    def _metrics_rows(self, at: Row, measure: Callable[[], list[Row]]) -> list[Row]:
        """The rows of an evaluation, with the seconds that it took, divided among them."""
        before = self.evaluator.seconds
        rows = measure()
        took = (self.evaluator.seconds - before) / max(1, len(rows))
        shared = {"row": "metrics", **at, "evaluation_seconds": took}
        digests = self.plan.measurement_digests
        return [{**shared, **row, "measurement": digests.get(row["extractor"])} for row in rows]

    def _collapse(self) -> str:
        """Why the run counts as collapsed; empty if it does not."""
        variant = self.run.variant
        # Of points the modes are a measure, and a seed that misses them belongs in its mean.
        if self.plan.measured.kind != "images" or variant is None:
            return ""
        record = read_run(self.path)
        evaluated = self.plan.evaluated(record).get(1.0, [])
        return collapse(evaluated, record.history, probability=variant.objective.probability)

    def _failed(self, error: BaseException) -> Row:
        """The last row of a run that raised; ``fatal`` where no other run can be run in this process."""
        fatal = is_fatal(error, self.plan.device)
        ensure_begun(self.plan, self.run, self.folder)
        if self.state is not None and not fatal:
            self._append_pending(self.state)
        try:
            status, message = failure(error, self.run.variant)
        except BaseException:
            status, message = "error", one_line(error)
        end = self._end(status, message)
        return end | {"fatal": True} if fatal else end

    def _end(self, status: str, message: str) -> Row:
        state = self.state
        counts = counts_of(state) if state else dict.fromkeys(COUNTS, 0) | {"seconds": 0.0}
        return end_row(status, message, counts, state.iterations if state else 0) | {
            "budget": self.plan.schedule.budget,
            "execution": state.execution if state else "",
            "images_per_second": state.images / state.seconds if state and state.seconds else None,
            "warmup_seconds": state.warmup_seconds if state else 0.0,
            "peak_memory_bytes": state.peak_memory if state else None,
        }


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
