"""Running a search: the settings of the trials, their runs, and the files that are written of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gan_zoo import text
from gan_zoo.bench.callbacks import Listener
from gan_zoo.bench.identity import decisive
from gan_zoo.bench.plan import Plan, make_plan
from gan_zoo.bench.records import MANIFEST, plain, write_json
from gan_zoo.bench.runner import default_folder, run_plan
from gan_zoo.bench.suite import Suite, read_suite
from gan_zoo.bench.suite_variants import base_name
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import differences, lock_folder, remove_temporary
from gan_zoo.options import RunOptions
from gan_zoo.search.report import Written, write_search
from gan_zoo.search.space import Ranges, Space, draw, read_ranges, space_of, trial_seed
from gan_zoo.search.trials import Trial, read_trial, trial_names, trial_suite, winners_seeds

TRIALS = "trials"
"""The results folder of the trials, as `bench` writes it, within that of the search."""
SETTINGS = "search.json"
_MAX_DIFFERENCES = 3


@dataclass(frozen=True)
class Search:
    """The result of a search.

    ``errors`` has a line for each run that ended in an error; the next call runs it again.
    """

    defaults: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    written: Written
    errors: tuple[str, ...]


def search_suite(
    suite: Path | str | Suite,
    out: Path | str | None = None,
    *,
    trials: int,
    seed: int = 0,
    listener: Listener | None = None,
    say: Callable[[str], None] = lambda _line: None,
    **options: Any,
) -> Search:
    """Train the same number of random trials of every variant of a suite, once each, and its default settings.

    ``seed`` decides the settings of the trials, and the training seed that all share: the first that no preset of the
    suite uses, plus ``seed``. The same call resumes an interrupted search; with more trials, it adds them. ``say`` gets
    a line for each variant with what is varied. By default ``out`` is ``runs/SUITE-DATA-PRESET-search``. ``options``
    are fields of ``RunOptions``.

    Raises:
        GanZooError: an invalid suite or argument, or ``out`` holds something else. Nothing is trained then.
    """
    for name, value, least in (("trials", trials, 1), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise GanZooError(f"{name} is {value!r}; it must be an integer of at least {least}")
    suite = read_suite(suite)
    ranges = read_ranges(suite)
    used = {number for preset in suite.presets.values() for number in winners_seeds(preset)}
    plan = make_plan(RunOptions.of({**options, "suite": suite, "seeds": (1 + max(used) + seed,)}))
    listener = listener or Listener()
    folder = Path(f"{default_folder(plan)}-search") if out is None else Path(out)
    if not plan.extractors:
        raise GanZooError(f"nothing would be measured, so that trials cannot be ranked: {'; '.join(plan.notices)}")
    spaces = {}
    for variant in plan.variants:
        base = base_name(variant.display_name, suite)
        spaces[variant.display_name] = space_of(variant, base, ranges, plan.data[variant.image_side])
    for notice in filter(None, (plan.measured.note, *plan.notices)):
        listener.notice(notice)
    for name, space in spaces.items():
        say(f"{name}: {space.summary() or 'nothing is varied'}")
    lock = lock_folder(folder)
    try:
        remove_temporary(folder)
        _store_settings(folder, _settings(plan, seed, ranges, spaces))
        return _run(plan, folder, seed, trials, spaces, listener)
    finally:
        lock.release()


def _run(plan: Plan, folder: Path, seed: int, count: int, spaces: Mapping[str, Space], listener: Listener) -> Search:
    variants = {variant.display_name: variant for variant in plan.variants}
    drawn = {
        name: [draw(space.varied, trial_seed(seed, name, number)) for number in range(count)]
        for name, space in spaces.items()
    }
    names = trial_names(drawn)
    suite = trial_suite(plan.suite, plan.preset_name, variants, drawn)
    whole = make_plan(replace(plan.options, suite=suite, preset=plan.preset_name, variants=list(names)))
    errors = run_plan(whole, folder / TRIALS, listener)
    found = []
    for spec in whole.runs():
        if spec.variant is not None:
            variant, number = names[spec.variant_name]
            params = {} if number is None else drawn[variant][number]
            found.append(read_trial(folder / TRIALS, spec, whole, variant, number, params))
    defaults = tuple(trial for trial in found if trial.number is None)
    trials = tuple(trial for name in spaces for trial in found if trial.variant == name and trial.number is not None)
    return Search(defaults, trials, write_search(folder, plan, seed, spaces, defaults, trials), tuple(errors))


def _settings(plan: Plan, seed: int, ranges: Ranges, spaces: Mapping[str, Space]) -> dict[str, Any]:
    """Everything that decides the trials of a search, as JSON; their number is not part of it."""
    identities = {spec.variant_name: spec.identity for spec in plan.runs() if spec.variant is not None}
    settings: dict[str, Any] = plain(
        {
            "seed": seed,
            "training seed": plan.seeds[0],
            "preset": plan.preset_name,
            "budget": plan.preset.budget,
            "evaluate_at": plan.evaluate_at,
            "ranges": ranges.model_dump(),
            "measured": plan.measurements,
            "variants": {
                name: {**decisive(identities[name]), "varied": space.summary()} for name, space in spaces.items()
            },
        }
    )
    return settings


def _store_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings, or compare them with those in the folder; variants that are new there are added.

    Raises:
        GanZooError: the folder holds something else or another search, or its settings are damaged.
    """
    path = folder / SETTINGS
    if (folder / MANIFEST).exists():
        raise GanZooError(f"{str(folder)!r} holds a comparison ({MANIFEST}); name another --out")
    if (folder / TRIALS).exists() and not path.exists():
        raise GanZooError(f"{str(folder)!r} holds {TRIALS}, but no {SETTINGS}; name another --out")
    stored = _read_settings(path) if path.is_file() else {}
    known = stored.get("variants", {})
    mine = {**settings, "variants": {name: value for name, value in settings["variants"].items() if name in known}}
    theirs = {**stored, "variants": {name: value for name, value in known.items() if name in settings["variants"]}}
    found = [f"{key} {text.short(old)}, not {text.short(new)}" for key, old, new in differences(theirs, mine)]
    if stored and found:
        more = f" and {len(found) - _MAX_DIFFERENCES} more" if len(found) > _MAX_DIFFERENCES else ""
        listed = "; ".join(found[:_MAX_DIFFERENCES])
        raise GanZooError(f"{str(folder)!r} holds another search ({listed}{more}); name another --out")
    write_json(path, {**settings, "variants": {**known, **settings["variants"]}})


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise GanZooError(f"{path} is damaged ({one_line(error)}); name another --out") from None
    if not isinstance(stored, dict) or not isinstance(stored.get("variants"), dict):
        raise GanZooError(f"{path} holds no settings of a search; name another --out")
    return stored
