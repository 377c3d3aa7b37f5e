"""The trials as variants of a suite in memory, their results, and the suite of the winners."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_zoo import registry
from gan_zoo.bench import results
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import read_run, records_path
from gan_zoo.bench.suite import Preset, Suite, VariantOverride
from gan_zoo.bench.suite_variants import base_name, combined, own_options, shared_options
from gan_zoo.errors import GanZooError
from gan_zoo.search.space import options_of
from gan_zoo.statistics import is_failure
from gan_zoo.variant import Variant

Drawn = Mapping[str, Sequence[Mapping[str, Any]]]
"""The settings of each variant's trials, in order."""
_WINNERS_SEEDS = 5
"""Least number of seeds in the presets of the winners' suite."""
_LEFT_OUT = ("search", "variants", "baseline", "contrasts")


@dataclass(frozen=True)
class Trial:
    """The result of a trial, or of a variant's default settings (``number`` None).

    ``value`` is the primary metric at the end of the budget, NaN where it was not measured; ``seconds`` those of
    training.
    """

    variant: str
    number: int | None
    params: Mapping[str, Any]
    value: float
    status: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether it was trained to its end without failing, and was measured."""
        return self.status == "ok" and math.isfinite(self.value)


def trial_name(variant: str, number: int) -> str:
    """The name of a trial among the runs."""
    return f"{variant}_trial{number:02d}"


def trial_names(drawn: Drawn) -> dict[str, tuple[str, int | None]]:
    """The variant and the trial number of each run, by its name: the defaults, then trial by trial.

    In this order an interrupted search has as many trials of one variant as of another.
    """
    names: dict[str, tuple[str, int | None]] = {variant: (variant, None) for variant in drawn}
    for number in range(max(map(len, drawn.values()))):
        names |= {trial_name(variant, number): (variant, number) for variant in drawn}
    return names


def with_named(suite: Suite, named: Mapping[str, VariantOverride]) -> Suite:
    """The suite with further variants.

    Raises:
        GanZooError: a name is taken.
    """
    if taken := sorted(set(named) & {*suite.named, *registry.names()}):
        raise GanZooError(f"{suite.file}: the search needs the name {taken[0]!r}, which is taken; rename that variant")
    return suite.model_copy(update={"named": {**suite.named, **named}})


def _suite_options(name: str, suite: Suite) -> dict[str, Any]:
    """The options of a variant of the suite, without those of a preset and those that all variants share."""
    return combined(name, suite, own_options(name, suite), suite.options.get(name, {}))


def _without_norm(params: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """The backbone of the topmost layer without its norm, which would override that of a trial; empty without one."""
    backbone = next((layer["backbone"] for layer in reversed(layers) if "backbone" in layer), None)
    if "norm" not in params or not isinstance(backbone, Mapping) or "norm" not in backbone:
        return {}
    return {"backbone": {key: value for key, value in backbone.items() if key != "norm"}}


def trial_suite(suite: Suite, preset_name: str, variants: Mapping[str, Variant], drawn: Drawn) -> Suite:
    """The suite with a further variant a trial: the one of the suite and the preset with the settings of the trial."""
    preset = suite.presets[preset_name]
    named = {}
    for name, settings in drawn.items():
        layers = (_suite_options(name, suite), preset.options.get(name, {}))
        for number, params in enumerate(settings):
            options = combined(name, suite, *layers, options_of(params, variants[name]))
            options |= _without_norm(params, shared_options(suite, preset), options)
            title = f"{variants[name].title}, trial {number}"
            override = VariantOverride(variant=base_name(name, suite), options=options, title=title)
            named[trial_name(name, number)] = override
    return with_named(suite, named)


def read_trial(folder: Path, spec: RunSpec, plan: Plan, variant: str, number: int | None, params: Any) -> Trial:
    """The result of a trial, from the records of its run."""
    path = records_path(folder, spec.name)
    if not path.is_file():
        return Trial(variant, number, params, math.nan, "unfinished", 0.0)
    records = read_run(path)
    extractor = default_extractor(plan)
    final = [row for row in records.metrics if row["extractor"] == extractor and row["fraction"] >= 1]
    value = final[-1]["values"].get(plan.ranked_by) if final else None
    seconds = (records.end or {}).get("seconds", 0.0)
    return Trial(variant, number, params, math.nan if value is None else float(value), records.status, seconds)


def default_extractor(plan: Plan) -> str:
    """The extractor whose metrics rank the trials, as in the tables of a comparison."""
    return results.default_extractor({"extractors": {extractor.name: extractor for extractor in plan.extractors}})


def scores(trials: Sequence[Trial], everything: Sequence[Trial]) -> list[float]:
    """The values of the trials; for a failed one, the worst value measured in the whole search.

    Empty where nothing was measured, or a trial is unfinished.
    """
    measured = [trial.value for trial in everything if math.isfinite(trial.value)]
    if not measured or any(trial.status == "unfinished" for trial in trials):
        return []
    return [trial.value if trial.succeeded else max(measured) for trial in trials]


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the lowest value among the successful ones; the first of equals."""
    return min((trial for trial in trials if trial.succeeded), key=lambda trial: trial.value, default=None)


def num_failures(trials: Sequence[Trial]) -> int:
    """How many of the trials failed, or could not be measured at their end."""
    return sum(is_failure(trial.status) or (trial.status == "ok" and not trial.succeeded) for trial in trials)


def winners_seeds(preset: Preset) -> list[int]:
    """The seeds of a preset, and further ones up to five: the seeds of the winners' comparison."""
    more = (seed for seed in itertools.count() if seed not in preset.seed_list)
    return [*preset.seed_list, *itertools.islice(more, max(0, _WINNERS_SEEDS - len(preset.seed_list)))]


def winners_suite(
    suite: Suite, variants: Mapping[str, Variant], best: Mapping[str, Trial | None], precision: str | None = None
) -> dict[str, Any]:
    """The suite of the winners as a TOML table: each variant with its default settings and those of its best trial.

    ``variants`` are those that were searched, with the options of the searched preset; ``precision`` overrides that of
    the presets. A variant without a successful trial has its default settings alone.

    Raises:
        GanZooError: a name is taken.
    """
    table = {key: value for key, value in suite.model_dump(exclude_unset=True).items() if key not in _LEFT_OUT}
    for key, preset in table["presets"].items():
        preset.pop("variants", None)
        preset["seeds"] = winners_seeds(suite.presets[key])
        if precision is not None:
            preset["precision"] = precision
    named = {}
    winners = {name: trial for name, trial in best.items() if trial is not None}
    for name, trial in winners.items():
        tuned = f"{name}_tuned"
        found = options_of(trial.params, variants[name])
        options = combined(name, suite, _suite_options(name, suite), found)
        options |= _without_norm(found, options)
        title = f"{variants[name].title}, tuned"
        named[tuned] = VariantOverride(variant=base_name(name, suite), options=options, title=title)
        for key, preset in table["presets"].items():
            # The preset's options for the variant, but for those that the trial varied, and its notes.
            given = combined(name, suite, suite.presets[key].options.get(name, {}))
            given = {option: value for option, value in given.items() if option not in found}
            given |= _without_norm(found, shared_options(suite, suite.presets[key]), options, given)
            if given:
                preset.setdefault("options", {})[tuned] = given
            if name in suite.presets[key].notes:
                preset["notes"][tuned] = suite.presets[key].notes[name]
    whole = with_named(suite, named)
    return {
        **table,
        "title": f"{suite.title}: default and tuned",
        "variants": [each for name in best for each in (name, f"{name}_tuned") if each == name or each in named],
        "contrasts": [[f"{name}_tuned", name] for name in winners],
        "named": {key: entry.model_dump(exclude_defaults=True) for key, entry in whole.named.items()},
    }
