"""The trials as variants of a suite in memory, their results, and the suite of the winners."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_zoo import overrides, registry
from gan_zoo.bench import results
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import read_run, records_path
from gan_zoo.bench.suite import Preset, Suite, VariantOverride
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


def base_of(name: str, suite: Suite) -> str:
    """The registered variant that a variant of the suite is made from."""
    return suite.named[name].variant if name in suite.named else name


def suite_options(name: str, suite: Suite) -> dict[str, Any]:
    """The options of a variant of the suite, without those of a preset."""
    own = suite.named[name].options if name in suite.named else {}
    return combined_for(name, suite, own, suite.options.get(name, {}))


def combined_for(name: str, suite: Suite, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a variant of the suite, each layer overriding those before it."""
    return overrides.combined(registry.hyperparameters(base_of(name, suite)), *layers)


def _backbone_without_norm(suite: Suite, preset: Preset, options: Mapping[str, Any]) -> dict[str, Any]:
    """The option that removes the norm of a variant's backbone, which would override the trial's; empty without one."""
    shared = {"backbone": preset.backbone or suite.backbone} | suite.shared | preset.shared
    return without_norm({**shared, **options}["backbone"])


def without_norm(backbone: Any) -> dict[str, Any]:
    """The option ``backbone`` without its norm; empty if it has none."""
    if not isinstance(backbone, Mapping) or "norm" not in backbone:
        return {}
    return {"backbone": {key: value for key, value in backbone.items() if key != "norm"}}


def trial_suite(suite: Suite, preset: str, variants: Mapping[str, Variant], drawn: Drawn) -> Suite:
    """The suite with a further variant a trial: the one of the suite and the preset with the settings of the trial."""
    named = {}
    for name, settings in drawn.items():
        layers = (suite_options(name, suite), suite.presets[preset].options.get(name, {}))
        for number, params in enumerate(settings):
            options = combined_for(name, suite, *layers, options_of(params, variants[name]))
            if "norm" in params:
                options |= _backbone_without_norm(suite, suite.presets[preset], options)
            named[trial_name(name, number)] = VariantOverride(
                variant=base_of(name, suite),
                options=options,
                title=f"{variants[name].title}, trial {number}",
            )
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
    named = {}
    pairs = []
    order = []
    table = {key: value for key, value in suite.model_dump(exclude_unset=True).items() if key not in _LEFT_OUT}
    changed = {"variants": None} | ({} if precision is None else {"precision": precision})
    presets = {
        name: {**preset, **changed, "seeds": winners_seeds(suite.presets[name])}
        for name, preset in table["presets"].items()
    }
    for name, trial in best.items():
        order.append(name)
        if trial is None:
            continue
        tuned = f"{name}_tuned"
        found = options_of(trial.params, variants[name])
        options = combined_for(name, suite, suite_options(name, suite), found)
        if "norm" in found:
            options |= without_norm(options.get("backbone"))
        title = f"{variants[name].title}, tuned"
        named[tuned] = VariantOverride(variant=base_of(name, suite), options=options, title=title)
        for key, preset in presets.items():
            _add_to_preset(preset, suite, suite.presets[key], name, tuned, options, found)
        order.append(tuned)
        pairs.append([tuned, name])
    entries = {key: entry.model_dump(exclude_defaults=True) for key, entry in with_named(suite, named).named.items()}
    chosen = {"title": f"{suite.title}: default and tuned", "variants": order, "contrasts": pairs}
    return {**table, **chosen, "named": entries, "presets": presets}


def _add_to_preset(
    table: dict[str, Any],
    suite: Suite,
    preset: Preset,
    name: str,
    tuned: str,
    options: Mapping[str, Any],
    found: Mapping[str, Any],
) -> None:
    """Give the tuned variant the options of the preset that the trial did not vary, and the notes of the variant."""
    given = combined_for(name, suite, table.get("options", {}).get(name, {}))
    given = {key: value for key, value in given.items() if key not in found}
    if "norm" in found:
        given |= _backbone_without_norm(suite, preset, {**options, **given})
    if given:
        table["options"] = {**table.get("options", {}), tuned: given}
    if name in table.get("notes", {}):
        table["notes"] = {**table["notes"], tuned: table["notes"][name]}
