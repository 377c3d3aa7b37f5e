"""The winners as a suite: each variant as it was and as its best trial had it, to be run with fresh seeds."""

import itertools
from collections.abc import Mapping
from typing import Any

from gan_zoo.bench.suite import Preset, Suite, VariantOverride
from gan_zoo.search.space import options_of
from gan_zoo.search.trials import Trial, backbone_of, base_of, combined_for, freed, own_options, with_named
from gan_zoo.variant import Variant

_SEEDS = 5  # fewer hardly show a difference, and fewer than three none
_LEFT_OUT = ("search", "variants", "baseline", "contrasts")


def winners_seeds(preset: Preset) -> list[int]:
    """A preset's seeds, and as many more as five need: the seeds of the winners' comparison."""
    more = (seed for seed in itertools.count() if seed not in preset.seed_list)
    return [*preset.seed_list, *itertools.islice(more, max(0, _SEEDS - len(preset.seed_list)))]


def tuned_name(variant: str) -> str:
    """What a variant with the settings of its best trial is called."""
    return f"{variant}_tuned"


def winners_suite(
    suite: Suite, variants: Mapping[str, Variant], best: Mapping[str, Trial | None], precision: str | None = None
) -> dict[str, Any]:
    """The suite of the winners as a TOML table: the source's presets, each variant as it was and, where a trial
    survived, tuned, and the comparison of the two.

    ``variants`` are those that were searched, as the searched preset has them; ``precision`` is what the search was
    given in place of the presets' own.

    Raises:
        GanZooError: a name is taken.
    """
    named, pairs, order = {}, [], []
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
        tuned, found = tuned_name(name), options_of(trial.params, variants[name])
        options = combined_for(name, suite, own_options(name, suite), found)
        if "norm" in found:
            options |= freed(options.get("backbone"))
        title = f"{variants[name].title}, tuned"
        named[tuned] = VariantOverride(variant=base_of(name, suite), options=options, title=title)
        for key, preset in presets.items():
            given = combined_for(name, suite, preset.get("options", {}).get(name, {}))
            said = {key: value for key, value in given.items() if key not in found}
            if "norm" in found:
                said |= freed(backbone_of(suite, suite.presets[key], options | said))
            _say_again(preset, name, tuned, said)
        order.append(tuned)
        pairs.append([tuned, name])
    whole = with_named(suite, named)
    chosen: dict[str, Any] = {"title": f"{suite.title}: default and tuned", "variants": order, "contrasts": pairs}
    entries = {name: entry.model_dump(exclude_defaults=True) for name, entry in whole.named.items()}
    return {**table, **chosen, "named": entries, "presets": presets}


def _say_again(preset: dict[str, Any], name: str, tuned: str, said: dict[str, Any]) -> None:
    """Give the tuned variant its options under a preset, and the notes of the variant that it was."""
    if said:
        preset["options"] = {**preset.get("options", {}), tuned: said}
    if name in preset.get("notes", {}):
        preset["notes"] = {**preset["notes"], tuned: preset["notes"][name]}
