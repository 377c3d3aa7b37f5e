"""What the command line and Python users call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench.listener import Listener, WarningListener
from gan_zoo.bench.plan import EVALUATION_SIDE, Plan, Recipe, make_plan
from gan_zoo.bench.points import PointEvaluator
from gan_zoo.bench.runner import default_folder, run_plan
from gan_zoo.bench.single import checkpoint_in, resumed_recipe, resumed_state, single_recipe, trained_run
from gan_zoo.bench.suite import read_suite
from gan_zoo.data import Dataset
from gan_zoo.device import pick, prepare
from gan_zoo.engine import Budget, OnBlock, Run, Sampler, State, checkpoint, start, train_run
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.evaluator import Evaluator, Measuring
from gan_zoo.metrics.extractors import OWN, load_extractor, resolve
from gan_zoo.metrics.mixture import COUNTED
from gan_zoo.options import EXACT
from gan_zoo.report.live import LiveReport
from gan_zoo.variant import Variant

# pandas and seaborn take seconds to import, and are not needed before something was trained.
if TYPE_CHECKING:
    import pandas as pd

    from gan_zoo.bench.tables import Results


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


def run_suite(
    suite: Path | str,
    out: Path | str | None = None,
    *,
    preset: str = "auto",
    variants: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    plugins: Sequence[Path | str] = (),
    data_root: Path | None = None,
    inception_weights: Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    isolate: bool = False,
    run_timeout: float | None = None,
    checkpoint_every: float = 60.0,
    graphs: bool = True,
    force: bool = False,
    listener: Listener | None = None,
) -> Outcome:
    """Run a suite into a folder: the runs that are missing, then tables, plots and the report.

    Calling it again resumes runs that were interrupted, and with a longer preset of the same settings extends those
    that are finished.

    Args:
        suite: a suite file, or the name of a suite of this package, e.g. ``mnist``.
        out: the results folder; by default ``runs/SUITE-DATA-PRESET``.
        preset: how much of the suite is run; ``auto``: ``standard`` on CUDA, ``quick`` on a CPU.
        variants: in place of the suite's.
        seeds: in place of the preset's.
        plugins: files that register variants.
        data_root: folder that holds the data sets.
        inception_weights: weights file of the extractor ``inception``.
        device: ``cuda``, ``cuda:1`` ... or ``cpu``; by default CUDA if there is one.
        precision: in place of the preset's.
        threads: CPU threads a run.
        jobs: runs side by side, by default one for every core on a CPU. With more than one, or ``isolate``, call this
            function from a file under ``if __name__ == "__main__":``, as the processes of multiprocessing need.
        isolate: whether each run has a process of its own also with one job.
        run_timeout: seconds after which a run is ended with status ``timeout``; it has a process of its own then.
        checkpoint_every: seconds between two checkpoints of a run, beside those at every evaluation.
        graphs: whether steps are recorded as CUDA graphs, on CUDA.
        force: whether runs in the folder that have other settings, or a larger budget, are deleted.
        listener: what is notified of the progress; by default notices are issued as Python warnings.

    Raises:
        GanZooError: anything in the suite or the arguments that does not fit, before anything is trained.
        StorageError: a file of the folder cannot be written.
        Interrupted: Ctrl-C or SIGTERM; every run in training has a checkpoint.
    """
    if seeds is not None:
        _check_seeds(seeds)
    recipe = Recipe(
        suite=read_suite(suite),
        preset=preset,
        variants=variants,
        seeds=seeds,
        plugins=tuple(Path(plugin) for plugin in plugins),
        data_root=data_root,
        inception_weights=inception_weights,
        device=device,
        precision=precision,
        threads=threads,
        jobs=jobs,
        isolate=isolate,
        run_timeout=run_timeout,
        checkpoint_every=checkpoint_every,
        graphs=graphs,
    )
    return run_recipe(recipe, out, force=force, listener=listener)


def run_recipe(
    recipe: Recipe, out: Path | str | None = None, *, force: bool = False, listener: Listener | None = None
) -> Outcome:
    """Run what a recipe asks for into a folder, as ``run_suite`` does; the same errors."""
    return _run_plan(make_plan(recipe), out, force=force, listener=listener or WarningListener())


def _run_plan(plan: Plan, out: Path | str | None, *, force: bool, listener: Listener) -> Outcome:
    for notice in (plan.measured.note, *plan.notices):
        if notice:
            listener.notice(notice)
    folder = default_folder(plan) if out is None else Path(out)
    # A single run has nothing to report before it ends, and a caller without processes of its own gets none.
    is_live = not plan.recipe.single and (plan.recipe.isolate or plan.jobs > 1)
    errors = run_plan(plan, folder, LiveReport(listener) if is_live else listener, force=force)
    report = write_report(folder)
    from gan_zoo.bench.tables import read_results

    return Outcome(read_results(folder), folder, report, tuple(errors))


def write_report(folder: Path) -> Path:
    """Write the tables, figures and report of a results folder, and give back the report's path."""
    from gan_zoo.report import context

    return context.write_report(folder)


def _check_seeds(seeds: Sequence[int]) -> None:
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not len(seeds) or len(set(seeds)) != len(seeds):
        raise GanZooError(f"seeds are {list(seeds)}; they must be different whole numbers from 0 on, e.g. [0, 1, 2]")


def train(
    variant: str | Variant | None = None,
    data: str | Dataset = "mnist",
    budget: Mapping[str, float] | Budget | None = None,
    *,
    epochs: float | None = None,
    images: float | None = None,
    steps: float | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = EXACT,
    data_root: Path | None = None,
    channels: int | None = None,
    out: Path | str | None = None,
    resume: Path | str | None = None,
    evaluate: bool = True,
    checkpoint_every: float = 60.0,
    graphs: bool = True,
    force: bool = False,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    on_block: OnBlock | None = None,
) -> Run:
    """Train one variant, e.g. ``train("cgan", "mnist", epochs=5)``.

    ``run.sampler(20)`` makes images, ``run.history`` is a pandas table, ``run.status`` is how the run ended, and
    ``run.save(PATH)`` writes a checkpoint.

    Args:
        variant: its name, or the variant itself.
        data: a data set's name, or ``folder:PATH`` for images of your own.
        budget: the total of the training, earlier steps of a resumed run included, e.g. ``{"epochs": 5}``; or name it
            as ``epochs``, real ``images``, ``steps`` or ``seconds``. By default 200 epochs, or those of the folder.
        epochs, images, steps, seconds: see ``budget``.
        seed: of everything random.
        device: ``cuda``, ``cuda:1`` ... or ``cpu``; by default CUDA if there is one.
        precision: a name of ``gan_zoo.options.PRECISIONS``.
        data_root: folder that holds the data sets.
        channels: 1 (grey) or 3; by default the data set's own.
        out: a results folder, as ``gan-zoo train`` writes it: records, checkpoints, tables and a report. The same call
            again resumes an interrupted run or returns a finished one, and a larger budget extends it.
        resume: a checkpoint to train on from, or the folder of an earlier ``out``. Variant, data, seed and precision
            are those of the checkpoint or folder.
        evaluate: whether the metrics are computed, with ``out``.
        checkpoint_every: seconds between two checkpoints, with ``out``.
        graphs: whether steps are recorded as CUDA graphs, on CUDA.
        force: whether another run in ``out`` is deleted.
        fractions, on_milestone: without ``out``, ``on_milestone(state, fraction)`` is called at each of these fractions
            of the budget, outside the clock.
        on_block: without ``out``, ``on_block(state, values)`` is called with every row of history.

    Raises:
        GanZooError: an unknown variant, data set, device or precision, a seed below 0, data that is not available, a
            budget smaller than the steps of the resumed run, or a folder that holds another run.
        StorageError: a file of ``out`` cannot be written.
        Interrupted: with ``out``, Ctrl-C or SIGTERM; a checkpoint was written.
    """
    if type(seed) is not int or seed < 0:
        raise GanZooError(f"seed is {seed!r}; it must be a whole number from 0 on")
    given = _budget(budget, {"epochs": epochs, "images": images, "steps": steps, "seconds": seconds})
    spent = given or Budget("epochs", 200)
    shared: dict[str, Any] = {"device": device, "data_root": data_root}
    calls: dict[str, Any] = {"fractions": tuple(fractions), "on_milestone": on_milestone, "on_block": on_block}
    if resume is not None:
        if variant is not None or out is not None:
            raise GanZooError("resume continues the variant and the folder of a checkpoint; leave out variant and out")
        if Path(resume).is_dir():
            _check_no_calls(calls)
            recipe = resumed_recipe(Path(resume), given, checkpoint_every=checkpoint_every, graphs=graphs, **shared)
            return _train_in_folder(recipe, Path(resume), force=force)
        if given is None:
            raise GanZooError(f"name the total budget to resume {str(resume)!r} to, e.g. epochs=20")
        return train_run(resumed_state(Path(resume), spent, graphs=graphs, **shared), spent, **calls)
    if variant is None:
        raise GanZooError("name a variant, e.g. train('gan', 'mnist', epochs=5), or a checkpoint to resume")
    made = registry.get(variant) if isinstance(variant, str) else variant
    if out is not None:
        _check_no_calls(calls)
        recipe = single_recipe(made, data, spent, seed=seed, channels=channels)
        recipe = replace(recipe, precision=precision, evaluate=evaluate, graphs=graphs, **shared)
        return _train_in_folder(replace(recipe, checkpoint_every=checkpoint_every), Path(out), force=force)
    if isinstance(data, str):
        data = data_sets.load(data, side=made.image_side, channels=channels, root=data_root, device=pick(device))
    return train_run(start(made, data, seed, precision=precision, graphs=graphs), spent, **calls)


def _check_no_calls(calls: Mapping[str, Any]) -> None:
    if calls != {"fractions": (1.0,), "on_milestone": None, "on_block": None}:
        raise GanZooError(
            "a run in a folder takes no fractions, on_milestone or on_block; its records have what they see"
        )


def _budget(budget: Mapping[str, float] | Budget | None, units: Mapping[str, float | None]) -> Budget | None:
    named = {unit: amount for unit, amount in units.items() if amount is not None}
    if isinstance(budget, Budget):
        budget = {budget.unit: budget.amount}
    both = {**(budget or {}), **named}
    return Budget.of(both) if both or budget is not None else None


def _train_in_folder(recipe: Recipe, folder: Path, *, force: bool) -> Run:
    plan = make_plan(recipe)
    _run_plan(plan, folder, force=force, listener=WarningListener())
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


def evaluate(
    sampler: Sampler,
    data: str = "mnist",
    *,
    n: int = 2000,
    seed: int = 0,
    extractors: Sequence[str] | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    inception_weights: Path | None = None,
) -> "pd.DataFrame":
    """Measure a sampler's images against a data set's test split, beside the floor (training images at the same N).

    Gives back a long table: variant, metric, extractor, n, value. ``channels`` are those that it was trained with,
    where they are not the data set's own.

    Raises:
        GanZooError: unknown names, data or weights that cannot be had, or an N larger than the test split.
    """
    device = next(sampler.generator.parameters()).device
    prepare(device.type)
    dataset = data_sets.load(data, side=EVALUATION_SIDE, channels=channels, root=data_root, device=device)
    if dataset.density is not None:
        if n < COUNTED:
            raise GanZooError(f"n is {n}; modes are looked for among {COUNTED:,} points: ask for that many or more")
        return _long(PointEvaluator(dataset.density, n, device), sampler, seed)
    if not 2 <= n <= len(dataset.test):
        raise GanZooError(f"n is {n}; the test split of {dataset.name!r} allows 2 to {len(dataset.test)} images")
    loaded = tuple(
        load_extractor(name, device=device, inception_weights=inception_weights, dataset=dataset)
        for name in resolve(extractors or (OWN,), dataset, n=n, inception_weights=inception_weights)
    )
    for extractor in loaded:
        if n < extractor.minimum_n:
            raise GanZooError(f"n is {n}; figures of {extractor.name!r} need at least {extractor.minimum_n} images")
    evaluator = Evaluator(dataset.train, dataset.test, loaded, n, fingerprint=dataset.fingerprint)
    return _long(evaluator, sampler, seed)


def _long(evaluator: Measuring, sampler: Sampler, seed: int) -> "pd.DataFrame":
    """What an evaluator measures of a sampler and of its floor, a row a value."""
    import pandas as pd

    measured = {sampler.variant.name: evaluator.measure(sampler, seed), "real": evaluator.floor(seed)}
    return pd.DataFrame(
        [
            {"variant": name, "metric": metric, "extractor": row["extractor"], "n": row["n"], "value": value}
            for name, rows in measured.items()
            for row in rows
            for metric, value in row["values"].items()
        ]
    )
