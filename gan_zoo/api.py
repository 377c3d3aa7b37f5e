"""What the command line and Python users call."""

import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench import evaluation, progress
from gan_zoo.bench.callbacks import Listener, WarningListener
from gan_zoo.bench.evaluation import EvaluationOptions
from gan_zoo.bench.live import Callbacks, LiveListener
from gan_zoo.bench.plan import Plan, make_plan
from gan_zoo.bench.runner import default_folder, run_plan
from gan_zoo.bench.train import (
    checkpoint_in,
    resumed_options,
    resumed_state,
    single_options,
    single_suite,
    trained_run,
)
from gan_zoo.callbacks import Callback, RunStart
from gan_zoo.data import Dataset
from gan_zoo.device import pick, prepare
from gan_zoo.engine import Budget, Run, Sampler, State, checkpoint, pending_row, start, train_run
from gan_zoo.errors import GanZooError, check_known, shown
from gan_zoo.io import read_only_note
from gan_zoo.options import EXACT, DataOptions, RunOptions, are_seeds
from gan_zoo.variant import Variant

# pandas and seaborn take seconds to import, and are not needed before something was trained.
if TYPE_CHECKING:
    import pandas as pd

    from gan_zoo.bench.results import Results


@dataclass(frozen=True)
class Outcome:
    """What a run of a suite left.

    Attributes:
        results: the tables.
        folder: the results folder.
        report: path of the report.
        errors: a line for each run that ended in an error or timeout.
    """

    results: "Results"
    folder: Path
    report: Path
    errors: tuple[str, ...]

    def _repr_html_(self) -> str:
        """The ranking and the path of the report for a notebook."""
        return f"{self.results._repr_html_()}<p>report: {html.escape(str(self.report))}</p>"


def run_suite(
    suite: Path | str,
    out: Path | str | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    listener: Listener | None = None,
    **options: Any,
) -> Outcome:
    """Run a suite into a folder: the runs that are missing, then tables, plots and the report.

    Calling it again resumes runs that were interrupted, and with a longer preset of the same settings extends those
    that are finished. With more than one job, or ``isolate``, call this function from a file under
    ``if __name__ == "__main__":``, as the processes of multiprocessing need.

    Args:
        suite: a suite file, or the name of a suite of this package, e.g. ``mnist``.
        out: the results folder; by default ``runs/SUITE-DATA-PRESET``.
        callbacks: are notified of the runs in training (``gan_zoo.Callback``).
        listener: shows the progress; by default a bar in a notebook or terminal, and notices are issued
            as Python warnings.
        options: fields of ``gan_zoo.options.RunOptions``:
            {options}

    Raises:
        GanZooError: anything in the suite or the arguments that does not fit, before anything is trained.
        StorageError: a file of the folder cannot be written.
        Interrupted: Ctrl-C or SIGTERM; every run in training has a checkpoint.
    """
    return run_options(RunOptions.of({"suite": suite, **options}), out, callbacks=callbacks, listener=listener)


run_suite.__doc__ = (run_suite.__doc__ or "").replace("{options}", RunOptions.documented())


def run_options(
    options: RunOptions,
    out: Path | str | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    listener: Listener | None = None,
) -> Outcome:
    """Run what options ask for into a folder, as ``run_suite`` does; the same errors."""
    return _run_plan(make_plan(options), out, callbacks, listener)


def _run_plan(
    plan: Plan, out: Path | str | None, callbacks: Sequence[Callback], listener: Listener | None = None
) -> Outcome:
    folder = default_folder(plan) if out is None else Path(out)
    listener = listener or progress.BarListener()
    if plan.options.tensorboard:
        from gan_zoo import tensorboard

        callbacks = [*callbacks, tensorboard.TensorBoard(folder / tensorboard.FOLDER)]
    if callbacks:
        listener = LiveListener(listener, callbacks)
    for notice in (plan.measured.note, *plan.notices):
        if notice:
            listener.notice(notice)
    # A single run has nothing to report before it ends, and a caller without processes of its own gets none.
    is_live = not plan.options.single and (plan.options.isolate or plan.jobs > 1)
    errors = run_plan(plan, folder, listener, write_report if is_live else None)
    if note := read_only_note(folder):
        listener.notice(note)
    report = folder / "report.html" if note else write_report(folder)
    from gan_zoo.bench.tables import read_results

    return Outcome(read_results(folder), folder, report, tuple(errors))


def write_report(folder: Path) -> Path:
    """Write the tables, figures and report of a results folder, and return the report's path."""
    from gan_zoo.report import context

    return context.write_report(folder)


_NO_CALLS = {"fractions": (1.0,), "on_milestone": None}


def train(
    variant: str | Variant | None = None,
    data: str | Dataset = "mnist",
    *,
    epochs: float | None = None,
    images: float | None = None,
    steps: float | None = None,
    seconds: float | None = None,
    seed: int = 0,
    channels: int | None = None,
    test_share: float | None = None,
    mirror: bool = False,
    out: Path | str | None = None,
    resume: Path | str | None = None,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Run:
    """Train one variant, e.g. ``train("cgan", "mnist", epochs=5)``.

    ``run.sampler(20)`` makes images, ``run.show()`` draws them, ``run.plot()`` draws the curves, ``run.history`` is a
    pandas table, ``run.status`` is how the run ended, and ``run.save(PATH)`` writes a checkpoint. In a notebook or a
    terminal a bar shows the progress.

    Args:
        variant: its name, or the variant itself.
        data: a data set's name, or ``folder:PATH`` for images of your own.
        epochs, images, steps, seconds: the total budget in one of these units, earlier steps of a resumed run included;
            ``images`` are real ones. By default 200 epochs, or the budget of the folder.
        seed: of everything random.
        channels: 1 (grey) or 3; by default the data set's own.
        test_share: of ``folder:PATH``, the share of each class that is not trained on but the reference; 0: the whole
            set is both.
        mirror: whether the mirror image of each training image is added.
        out: a results folder, as ``gan-zoo train`` writes it: records, checkpoints, tables and a report. The same call
            again resumes an interrupted run or returns a finished one, and a larger budget extends it.
        resume: a checkpoint to train on from, or the folder of an earlier ``out``. Variant, data, seed and precision
            are those of the checkpoint or folder.
        fractions, on_milestone: without ``out``, ``on_milestone(state, fraction)`` is called at each of these fractions
            of the budget, outside the clock.
        callbacks: are notified of the run (``gan_zoo.Callback``); without ``out`` it has no evaluations.
        options: fields of ``gan_zoo.options.RunOptions``; without ``out``, only device, precision, data_root and graphs
            have an effect:
            {options}

    Raises:
        GanZooError: an unknown variant, data set, device or precision, a seed below 0, data that is not available, a
            budget smaller than the steps of the resumed run, or a folder that contains another run.
        StorageError: a file of ``out`` cannot be written.
        Interrupted: with ``out``, Ctrl-C or SIGTERM; a checkpoint was written.
    """
    if not are_seeds([seed]):
        raise GanZooError(f"seed is {shown(seed)}; it must be a whole number from 0 on, and at most 2^53")
    units = {"epochs": epochs, "images": images, "steps": steps, "seconds": seconds}
    named = {unit: amount for unit, amount in units.items() if amount is not None}
    total = Budget.of(named) if named else None
    run = RunOptions.of(options, "train")
    calls: dict[str, Any] = {"fractions": tuple(fractions), "on_milestone": on_milestone}
    if (out is not None or (resume is not None and Path(resume).is_dir())) and calls != _NO_CALLS:
        raise GanZooError("a run in a folder takes no fractions or on_milestone; its records have what they see")
    if resume is not None:
        if variant is not None or out is not None:
            raise GanZooError("resume continues the variant and the folder of a checkpoint; leave out variant and out")
        return _resume(Path(resume), total, run, calls, callbacks)
    if variant is None:
        raise GanZooError("name a variant, e.g. train('gan', 'mnist', epochs=5), or a checkpoint to resume")
    made = registry.get(variant) if isinstance(variant, str) else variant
    total = total or Budget("epochs", 200)
    data_options = DataOptions(channels=channels, test_share=test_share, mirror=mirror)
    if out is not None:
        suite = single_suite(made, data, total, seed=seed, data_options=data_options)
        return _train_in_folder(single_options(suite, run), Path(out), callbacks)
    if not isinstance(data, str) and data_options != DataOptions():
        raise GanZooError(
            "channels, test_share and mirror are of a data set's name; leave them out, or name the data set"
        )
    if isinstance(data, str):
        side, device = made.image_side, pick(run.device)
        data = data_sets.load(data, side=side, root=run.data_root, device=device, **vars(data_options))
    state = start(made, data, seed, precision=run.precision or EXACT, graphs=run.graphs)
    return _train_in_memory(state, total, calls, callbacks)


train.__doc__ = (train.__doc__ or "").replace("{options}", RunOptions.documented("train"))


def _resume(
    path: Path, budget: Budget | None, options: RunOptions, calls: Mapping[str, Any], callbacks: Sequence[Callback]
) -> Run:
    """Continue the run of a checkpoint file or of a folder."""
    if path.is_dir():
        return _train_in_folder(resumed_options(path, budget, options), path, callbacks)
    if budget is None:
        raise GanZooError(f"name the total budget to resume {str(path)!r} to, e.g. epochs=20")
    return _train_in_memory(resumed_state(path, budget, options), budget, calls, callbacks)


def _train_in_memory(state: State, budget: Budget, calls: Mapping[str, Any], callbacks: Sequence[Callback] = ()) -> Run:
    """Train under a progress bar."""
    notified = Callbacks(callbacks, WarningListener())
    begun = RunStart(
        name=f"{state.variant.display_name}-seed{state.seed}",
        variant=state.variant.display_name,
        seed=state.seed,
        data=state.data_name,
        step=state.iterations,
        settings={"title": state.variant.title, "batch_size": state.variant.batch_size, "budget": str(budget)},
    )

    def on_block(state: State, values: Mapping[str, float]) -> None:
        notified.call("on_history", begun, state.iterations, values)

    bar = progress.Bar(state.variant.display_name or state.variant.title)

    def on_chunk(state: State) -> None:
        row = pending_row(state) or state.history.rows[-1]
        rate = state.images / state.seconds if state.seconds else 0.0
        bar.move(min(1.0, budget.spent(state) / budget.amount), progress.facts(rate, row["values"]))

    try:
        notified.call("on_run_start", begun)
        run = train_run(state, budget, **calls, on_block=on_block, on_chunk=on_chunk if bar.is_shown else None)
        if (row := pending_row(run.state)) is not None:
            notified.call("on_history", begun, row["step"], row["values"])
        notified.call("on_run_end", begun, run.status, run.message)
        return run
    finally:
        notified.call("on_close")
        bar.close()


def _train_in_folder(options: RunOptions, folder: Path, callbacks: Sequence[Callback]) -> Run:
    plan = make_plan(options)
    _run_plan(plan, folder, callbacks)
    return trained_run(plan, folder)


def load(path: Path | str, *, device: str | None = None) -> Sampler:
    """A checkpoint, ready to sample: ``load("run.safetensors")(20)`` gives 20 images, uint8 (20, C, H, W).

    Args:
        path: a checkpoint file, or the folder of a single training run.
        device: ``cuda``, ``cuda:1`` ... or ``cpu``; by default CUDA if there is one.

    Raises:
        GanZooError: no such file, no checkpoint, a folder with several, or a variant that is not registered here.
    """
    chosen = pick(device)
    prepare(chosen.type)
    return checkpoint.load(checkpoint_in(Path(path))).sampler(chosen)


def evaluate(source: evaluation.Source, data: str = "mnist", **options: Any) -> "pd.DataFrame":
    """Measure a generator, or images from anywhere, against a data set's test split, beside as many training images.

    Returns a table with a row for the samples and one for ``real`` images (for each extractor), and the columns
    extractor, num_samples, reference and each metric: ``evaluate("images", "mnist").loc["images", "fid"]``.

    Args:
        source: a sampler, a tensor or array of images, or the path of a checkpoint, a run's folder, a folder of images,
            or a file ``.npy``, ``.npz`` or ``.safetensors``. Arrays have the shape (N, H, W), (N, C, H, W) or
            (N, H, W, C), and are uint8, or floats in [0, 1], or in [-1, 1] if any value is below -0.01.
        data: a data set's name.
        options: fields of ``gan_zoo.bench.evaluation.EvaluationOptions``: num_samples, seed, extractors, channels,
            test_share, data_root, inception_weights, device.

    Raises:
        GanZooError: unknown names, data or weights that are not available, images that cannot be read, or more samples
            than there are.
    """
    for name in options:
        check_known("option of evaluate:", name, [field.name for field in fields(EvaluationOptions)])
    found = evaluation.evaluate(source, data, EvaluationOptions(**options))
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return found.table()
