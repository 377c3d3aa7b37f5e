"""The trials as cells of a suite in memory, and what their records say of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_zoo import overrides, registry
from gan_zoo.bench import tables
from gan_zoo.bench.plan import CellPlan, Plan
from gan_zoo.bench.records import read_cell
from gan_zoo.bench.run import records_path
from gan_zoo.bench.suite import Named, Preset, Suite
from gan_zoo.errors import GanZooError
from gan_zoo.search.space import options_of
from gan_zoo.statistics import is_failure
from gan_zoo.variant import Variant

Drawn = Mapping[str, Sequence[Mapping[str, Any]]]
"""The settings of each variant's trials, in order."""


@dataclass(frozen=True)
class Trial:
    """A trial, or a variant's default (without a number), with how it ended.

    ``value`` is the leading measure at the end of the budget, NaN where it was not measured; ``seconds`` those of
    training.
    """

    variant: str
    number: int | None
    params: Mapping[str, Any]
    value: float
    status: str
    seconds: float

    @property
    def counts(self) -> bool:
        """Whether it trained to its end without failing, and was measured."""
        return self.status == "ok" and math.isfinite(self.value)


def entry_name(variant: str, number: int) -> str:
    """What a trial is called among the cells."""
    return f"{variant}_trial{number:02d}"


def entries(drawn: Drawn) -> dict[str, tuple[str, int | None]]:
    """Every cell's variant and trial by its name: the defaults, then trial by trial.

    In this order an interrupted search has as many trials of one variant as of another.
    """
    names: dict[str, tuple[str, int | None]] = {variant: (variant, None) for variant in drawn}
    for number in range(max(map(len, drawn.values()))):
        names |= {entry_name(variant, number): (variant, number) for variant in drawn}
    return names


def with_named(suite: Suite, named: Mapping[str, Named]) -> Suite:
    """The suite with further entries.

    Raises:
        GanZooError: a name is taken.
    """
    if taken := sorted(set(named) & {*suite.named, *registry.names()}):
        raise GanZooError(f"{suite.file}: the search needs the name {taken[0]!r}, which is taken; rename that variant")
    return suite.model_copy(update={"named": {**suite.named, **named}})


def base_of(name: str, suite: Suite) -> str:
    """The registered variant that an entry of the suite is made from."""
    return suite.named[name].variant if name in suite.named else name


def own_options(name: str, suite: Suite) -> dict[str, Any]:
    """What the suite says of a variant alone, under every preset."""
    own = suite.named[name].options if name in suite.named else {}
    return combined_for(name, suite, own, suite.options.get(name, {}))


def combined_for(name: str, suite: Suite, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an entry of the suite, each layer overriding those before it."""
    return overrides.combined(registry.hyperparameters(base_of(name, suite)), *layers)


def backbone_of(suite: Suite, preset: Preset, options: Mapping[str, Any]) -> Any:
    """The backbone of an entry with these options under a preset, as the suite has it; None where it has none."""
    shared = {"backbone": preset.backbone or suite.backbone} | suite.shared | preset.shared
    return {**shared, **options}["backbone"]


def freed(backbone: Any) -> dict[str, Any]:
    """The option that takes a backbone's norm away, which would take the place of the trial's; empty if it has none."""
    if not isinstance(backbone, Mapping) or "norm" not in backbone:
        return {}
    return {"backbone": {key: value for key, value in backbone.items() if key != "norm"}}


def trial_suite(suite: Suite, preset: str, variants: Mapping[str, Variant], drawn: Drawn) -> Suite:
    """The suite with an entry a trial: the variant as the suite and the preset have it, with the trial's settings."""
    named = {}
    for name, settings in drawn.items():
        said = (own_options(name, suite), suite.presets[preset].options.get(name, {}))
        for number, params in enumerate(settings):
            options = combined_for(name, suite, *said, options_of(params, variants[name]))
            if "norm" in params:
                options |= freed(backbone_of(suite, suite.presets[preset], options))
            named[entry_name(name, number)] = Named(
                variant=base_of(name, suite),
                options=options,
                title=f"{variants[name].title}, trial {number}",
            )
    return with_named(suite, named)


def read_trial(folder: Path, cell: CellPlan, plan: Plan, variant: str, number: int | None, params: Any) -> Trial:
    """A trial as its records have it."""
    path = records_path(folder, cell)
    if not path.is_file():
        return Trial(variant, number, params, math.nan, "unfinished", 0.0)
    records, own = read_cell(path), own_extractor(plan)
    final = [row for row in records.metrics if row["extractor"] == own and row["fraction"] >= 1]
    value = final[-1]["values"].get(plan.ranked_by) if final else None
    seconds = (records.end or {}).get("seconds", 0.0)
    return Trial(variant, number, params, math.nan if value is None else float(value), records.status, seconds)


def own_extractor(plan: Plan) -> str:
    """The extractor by whose figures trials are compared, as variants are in the tables of a bench."""
    return tables.default_extractor({"extractors": {extractor.name: extractor for extractor in plan.extractors}})


def scored(trials: Sequence[Trial], everything: Sequence[Trial]) -> list[float]:
    """The trials' values; a failed one counts as the worst value measured in the whole search.

    Empty where nothing was measured, or a trial is unfinished.
    """
    measured = [trial.value for trial in everything if math.isfinite(trial.value)]
    if not measured or any(trial.status == "unfinished" for trial in trials):
        return []
    return [trial.value if trial.counts else max(measured) for trial in trials]


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the lowest value among those that did not fail; the first of equals."""
    return min((trial for trial in trials if trial.counts), key=lambda trial: trial.value, default=None)


def failed(trials: Sequence[Trial]) -> int:
    """How many of the trials failed, or could not be measured at their end."""
    return sum(is_failure(trial.status) or (trial.status == "ok" and not trial.counts) for trial in trials)
