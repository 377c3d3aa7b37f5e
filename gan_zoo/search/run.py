"""Running a search: the trials' settings, their cells, and what is written of them."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.plan import Plan, RunSpec, make_plan
from gan_zoo.bench.records import MANIFEST
from gan_zoo.bench.runner import default_folder, run_plan
from gan_zoo.bench.suite import Suite, read_suite
from gan_zoo.errors import GanZooError
from gan_zoo.io import lock_folder
from gan_zoo.options import RunOptions
from gan_zoo.search import settings
from gan_zoo.search.space import Space, read_ranges, space_of
from gan_zoo.search.trials import Trial, base_of, entries, read_trial, trial_suite
from gan_zoo.search.winners import winners_seeds
from gan_zoo.search.write import Written, write_search

if TYPE_CHECKING:
    from gan_zoo.search.studies import Studies

CELLS = "trials"
"""The folder of the trials' cells, a results folder as `bench` writes it, within the search's own."""


@dataclass(frozen=True)
class Search:
    """What a search left.

    ``defaults`` and ``trials`` are all that was trained, ``written`` what was made of them, and ``errors`` has a line
    for each cell that ended in an error, and is run again by the next call.
    """

    defaults: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    written: Written
    errors: tuple[str, ...]


def search_suite(
    suite: Path | str,
    out: Path | str | None = None,
    *,
    trials: int,
    seed: int = 0,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda _line: None,
    **options: Any,
) -> Search:
    """Give every variant of a suite the same number of random trials, each trained once, beside its default settings.

    The trials' settings follow from ``seed`` alone, and so does the training seed that all trials share: the first
    after those of the suite's presets, and ``seed`` more. Calling it again resumes where it was interrupted; with more
    trials, it adds them. ``say`` is called with what is varied of each variant. ``options`` are fields of
    ``RunOptions``.

    By default ``out`` is ``runs/SUITE-DATA-PRESET-search``.

    Raises:
        GanZooError: optuna is not installed; anything in the suite or the arguments that does not fit; ``out`` holds
            another search, or something else. Nothing is trained then.
    """
    _check(trials, seed)
    run = RunOptions.of({"suite": suite, **options})
    return search_options(run, out, trials=trials, seed=seed, listener=listener, say=say)


def search_options(
    options: RunOptions,
    out: Path | str | None = None,
    *,
    trials: int,
    seed: int = 0,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Search:
    """Run the search that options ask for, as ``search_suite`` does; the same errors."""
    _check(trials, seed)
    source = read_suite(options.suite)
    ranges = read_ranges(source)
    options = replace(options, suite=source, seeds=(training_seed(source, seed),))
    plan, listener = make_plan(options), listener or Listener()
    folder = Path(f"{default_folder(plan)}-search") if out is None else Path(out)
    if not plan.extractors:
        raise GanZooError(f"nothing would be measured, so no trial is better than another: {'; '.join(plan.notices)}")
    spaces = {
        variant.shown: space_of(variant, base_of(variant.shown, source), ranges, plan.data[variant.image_side])
        for variant in plan.variants
    }
    for notice in filter(None, (plan.measured.note, *plan.notices)):
        listener.notice(notice)
    for name, space in spaces.items():
        say(f"{name}: {space.words() or 'nothing is varied'}")
    lock = lock_folder(folder)
    try:
        _check_folder(folder)
        settings.keep(folder, settings.settings_of(plan, seed, ranges, spaces))
        return _run(plan, folder, seed, trials, spaces, listener)
    finally:
        lock.release()


def training_seed(suite: Suite, seed: int) -> int:
    """The seed that trials are trained with: none that a preset of the suite uses, so that winners meet fresh ones."""
    used = {used for preset in suite.presets.values() for used in winners_seeds(preset)}
    return 1 + max(used) + seed


def _run(plan: Plan, folder: Path, seed: int, count: int, spaces: Mapping[str, Space], listener: Listener) -> Search:
    from gan_zoo.search.studies import Studies

    studies, variants = Studies(folder, seed), {variant.shown: variant for variant in plan.variants}
    drawn = {name: studies.trials(name, space, count) for name, space in spaces.items()}
    suite, named = trial_suite(plan.suite, plan.preset_name, variants, drawn), entries(drawn)
    whole = make_plan(replace(plan.options, suite=suite, preset=plan.preset_name, variants=list(named)))

    def read(cell: RunSpec) -> Trial:
        variant, number = named[cell.variant_name]
        params = {} if number is None else drawn[variant][number]
        return read_trial(folder / CELLS, cell, whole, variant, number, params)

    def tell(cell: RunSpec) -> None:
        if cell.variant is not None and (trial := read(cell)).number is not None:
            _tell(studies, trial)

    errors, cells = run_plan(whole, folder / CELLS, listener), whole.runs()
    for cell in cells:
        tell(cell)
    found = [read(cell) for cell in cells if cell.variant is not None]
    defaults = tuple(trial for trial in found if trial.number is None)
    trials = tuple(trial for name in spaces for trial in found if trial.variant == name and trial.number is not None)
    return Search(defaults, trials, write_search(folder, plan, seed, spaces, defaults, trials), tuple(errors))


def _tell(studies: "Studies", trial: Trial) -> None:
    """Tell optuna how a trial ended. One that is run again, being unfinished or an error, is not told."""
    assert trial.number is not None
    if trial.status not in ("unfinished", "error"):
        studies.tell(trial.variant, trial.number, trial.value if trial.counts else None)


def _check_folder(folder: Path) -> None:
    """Refuse a folder whose files are no search's, or damaged, before anything is written there."""
    from gan_zoo.search import studies

    if (folder / MANIFEST).exists():
        raise GanZooError(f"{str(folder)!r} holds a comparison ({MANIFEST}); name another --out")
    found = [name for name in (studies.JOURNAL, CELLS) if (folder / name).exists()]
    if found and not (folder / settings.SETTINGS).exists():
        raise GanZooError(f"{str(folder)!r} holds {found[0]}, but no {settings.SETTINGS}; name another --out")
    studies.check(folder)


def _check(trials: int, seed: int) -> None:
    if type(trials) is not int or trials < 1:
        raise GanZooError(f"trials is {trials!r}; a search needs a whole number of at least 1 for each variant")
    if type(seed) is not int or seed < 0:
        raise GanZooError(f"seed is {seed!r}; it must be a whole number from 0 on")
    if importlib.util.find_spec("optuna") is None:
        raise GanZooError('a search needs optuna, which is not installed; pip install "gan-zoo[search]"')
