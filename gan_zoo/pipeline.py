"""The whole way at once: what the command line and Python users call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench.evaluation import Evaluator, Measuring
from gan_zoo.bench.listener import Listener
from gan_zoo.bench.plan import EVALUATION_SIDE, Recipe, make_plan
from gan_zoo.bench.points import PointEvaluator
from gan_zoo.bench.run import run_plan
from gan_zoo.bench.suite import read_suite
from gan_zoo.data import Dataset
from gan_zoo.engine import Budget, OnBlock, Run, Sampler, State, checkpoint, train_run
from gan_zoo.engine.device import pick, prepare
from gan_zoo.errors import GanZooError
from gan_zoo.metrics import load_extractor
from gan_zoo.metrics.density import COUNTED
from gan_zoo.metrics.extractors import OWN, resolve
from gan_zoo.precision import EXACT
from gan_zoo.variant import Variant

# pandas and seaborn take seconds to import, and are not needed before something was trained.
if TYPE_CHECKING:
    import pandas as pd

    from gan_zoo.bench.tables import Results


@dataclass(frozen=True)
class Outcome:
    """What a run of a suite left: tables, the report's path, and a line for each cell that ended in an error."""

    results: "Results"
    report: Path
    errors: tuple[str, ...]


def run_suite(
    suite: Path | str,
    out: Path | str,
    *,
    preset: str = "auto",
    variants: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    plugins: Sequence[Path | str] = (),
    data_root: Path | None = None,
    fallback: str | None = None,
    inception_weights: Path | None = None,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    listener: Listener | None = None,
) -> Outcome:
    """Run a suite file into a folder: the cells that are missing, then tables, plots and the report.

    ``fallback`` names the data set that may stand in where the suite's own is not to be had. ``jobs`` cells are
    trained side by side with ``threads`` CPU threads each (by default, on a CPU, a cell a core). Calling it again
    goes on where it was interrupted. With more than one job, call it from a file under
    ``if __name__ == "__main__":``, as the processes of Python's multiprocessing need.

    Raises:
        GanZooError: anything in the suite or the arguments that does not fit, before anything is trained.
    """
    if seeds is not None:
        _check_seeds(seeds)
    listener = listener or Listener()
    recipe = Recipe(
        suite=read_suite(Path(suite)),
        preset=preset,
        variants=variants,
        seeds=seeds,
        plugins=tuple(Path(plugin) for plugin in plugins),
        data_root=data_root,
        fallback=fallback,
        inception_weights=inception_weights,
        device=device,
        precision=precision,
        threads=threads,
        jobs=jobs,
    )
    plan = make_plan(recipe)
    for notice in (plan.measured.note, *plan.notices):
        if notice:
            listener.notice(notice)
    errors = run_plan(plan, Path(out), listener)
    report = write_report(Path(out))
    from gan_zoo.bench.tables import read_results

    return Outcome(read_results(Path(out)), report, tuple(errors))


def write_report(folder: Path) -> Path:
    """Write the tables, figures and report of a results folder, and give back the report's path."""
    from gan_zoo import report

    return report.write_report(folder)


def _check_seeds(seeds: Sequence[int]) -> None:
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not len(seeds) or len(set(seeds)) != len(seeds):
        raise GanZooError(f"seeds are {list(seeds)}; they must be different whole numbers from 0 on, e.g. [0, 1, 2]")


def train(
    variant: str | Variant,
    data: str | Dataset = "mnist",
    budget: Mapping[str, float] | Budget = Budget("epochs", 200),  # noqa: B008
    *,
    seed: int = 0,
    device: str | None = None,
    precision: str = EXACT,
    data_root: Path | None = None,
    fallback: str | None = None,
    channels: int | None = None,
    fractions: Sequence[float] = (1.0,),
    on_milestone: Callable[[State, float], Any] | None = None,
    on_block: OnBlock | None = None,
) -> Run:
    """Train one variant, e.g. ``train("cgan", "mnist", {"epochs": 5})``.

    ``data`` is a set's name, or ``folder:PATH`` for images of your own; ``channels`` draws it in 1 (grey) or 3.

    Gives back the run: ``run.sampler(20)`` makes images, ``run.history`` is a pandas table, ``run.status`` tells how
    it ended.

    Raises:
        GanZooError: an unknown variant, data set, device or precision, a seed below 0, or data that cannot be had.
    """
    if type(seed) is not int or seed < 0:
        raise GanZooError(f"seed is {seed!r}; it must be a whole number from 0 on")
    made = registry.get(variant) if isinstance(variant, str) else variant
    if isinstance(data, str):
        data = data_sets.load(
            data, side=made.image_side, channels=channels, root=data_root, fallback=fallback, device=pick(device)
        )
    spent = budget if isinstance(budget, Budget) else Budget.of(budget)
    return train_run(
        made,
        data,
        spent,
        seed=seed,
        precision=precision,
        fractions=fractions,
        on_milestone=on_milestone,
        on_block=on_block,
    )


def load(path: Path | str, *, device: str | None = None) -> Sampler:
    """A checkpoint, ready to sample: ``load("cell.safetensors")(20)`` gives 20 images, uint8 (20, C, H, W).

    Raises:
        GanZooError: no such file, no checkpoint, or a variant that is not registered here.
    """
    chosen = pick(device)
    prepare(chosen.type)
    return checkpoint.load(Path(path)).sampler(chosen)


def evaluate(
    sampler: Sampler,
    data: str = "mnist",
    *,
    n: int = 2000,
    seed: int = 0,
    extractors: Sequence[str] | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    fallback: str | None = None,
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
    dataset = data_sets.load(
        data, side=EVALUATION_SIDE, channels=channels, root=data_root, fallback=fallback, device=device
    )
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
