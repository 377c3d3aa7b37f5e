"""The variants of a suite: registered ones, and overrides of them under names of the suite's own."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gan_zoo import overrides, registry
from gan_zoo.bench.suite import Preset, Suite, check_names
from gan_zoo.engine import Budget
from gan_zoo.errors import GanZooError
from gan_zoo.optimizer import Optimizer
from gan_zoo.options import EXACT
from gan_zoo.variant import Variant


def make_variant(name: str, suite: Suite, preset: Preset) -> Variant:
    """A variant of the suite with the options of the suite and its preset; a named one has its name as label.

    In order of precedence: the preset's options for it, the suite's, its own, those that all variants share.

    Raises:
        GanZooError: no such variant, or options that do not fit.
    """
    return _made(name, suite, combined(name, suite, *_layers(name, suite, preset)))


def list_overrides(name: str, suite: Suite, preset: Preset, precision: str) -> Iterable[str]:
    """What the preset overrides of the registered variant and of the suite's full budget; and its note."""
    shared, own, *nearer = _layers(name, suite, preset)
    plain, made = _made(name, suite, own), make_variant(name, suite, preset)
    hyperparameters = registry.hyperparameters(base_name(name, suite))
    defaults = hyperparameters | combined(name, suite, own)
    resolved = combined(name, suite, shared, own, *nearer)
    for option in combined(name, suite, shared, *nearer):
        value, default = resolved[option], defaults.get(option, "its own")
        if option not in hyperparameters:
            value, default = getattr(made, option, value), getattr(plain, option, default)
        if _words(value) != _words(default):
            yield f"{option} {_words(value)}, not {_words(default)}"
    full = suite.presets.get("full", preset).budget
    if Budget.of(full) != Budget.of(preset.budget):
        yield f"budget {Budget.of(preset.budget)}, not {Budget.of(full)}"
    if precision != EXACT:
        yield f"precision {precision}, not {EXACT}"
    if name in preset.notes:
        yield preset.notes[name]


def preset_settings(preset: Preset, chosen: Sequence[str]) -> str:
    """What a preset sets, for all and for each of these variants: ``batch_size 32, ema 0.99; dcgan: width 16``."""
    given = {"backbone": preset.backbone, "batch_size": preset.batch_size} | preset.shared
    parts = [_words({key: value for key, value in given.items() if value is not None})]
    parts += [f"{name}: {_words(preset.options[name])}" for name in chosen if preset.options.get(name)]
    return "; ".join(filter(None, parts))


def contrasts(suite: Suite, chosen: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs that are compared, of the variants that are run: the suite's own, and others against the baseline.

    The others are all variants where the suite names no pairs, and else those that the suite does not have. Where the
    suite's baseline is not run, the first of its variants that is run takes its place.
    """
    known = [name for name in (suite.baseline, *chosen) if name in chosen and name in suite.variants]
    baseline = known[0] if known else chosen[0]
    pairs = [(first, second) for first, second in suite.contrasts if first in chosen and second in chosen]
    others = [name for name in chosen if not suite.contrasts or name not in suite.variants]
    return pairs + [(name, baseline) for name in others if name != baseline]


def check(suite: Suite, preset_name: str, preset: Preset) -> None:
    """Check the variants in a suite's file, so that an error names the file and the key.

    Raises:
        GanZooError: an unknown name, an override under a registered name, or options that do not fit.
    """
    for name in suite.named:
        with suite.at(f"named.{name}"):
            registry.check_name(name)
            if name in registry.names():
                raise GanZooError("a variant of that name is registered; choose another")
    for name in suite.images:
        with suite.at(f"images.{name}"):
            registry.check_name(name)
            if name in registry.names() or name in suite.named:
                raise GanZooError("a variant has that name; choose another")
    check_names(suite, preset_name, preset, registry.names())
    made: list[tuple[str, str, list[Mapping[str, Any]]]] = []
    made += [(f"named.{name}.options", name, [override.options]) for name, override in suite.named.items()]
    for key, table in (("options", suite.options), (f"presets.{preset_name}.options", preset.options)):
        made += [(f"{key}.{name}", name, [own_options(name, suite), options]) for name, options in table.items()]
    made += [("shared", name, _layers(name, suite, preset)) for name in preset.variants or suite.variants]
    for key, name, layers in made:
        with suite.at(key):
            _made(name, suite, combined(name, suite, *layers))


def base_name(name: str, suite: Suite) -> str:
    """The registered variant that a variant of the suite is made from."""
    return suite.named[name].variant if name in suite.named else name


def own_options(name: str, suite: Suite) -> dict[str, Any]:
    """The options under which the suite names a variant."""
    return dict(suite.named[name].options) if name in suite.named else {}


def _layers(name: str, suite: Suite, preset: Preset) -> list[Mapping[str, Any]]:
    """The options of a variant in rising precedence: shared, its own, the suite's for it, the preset's for it."""
    beside = [suite.options.get(name, {}), preset.options.get(name, {})]
    return [shared_options(suite, preset), own_options(name, suite), *beside]


def combined(name: str, suite: Suite, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a variant of the suite, each layer overriding those before it."""
    return overrides.combined(registry.hyperparameters(base_name(name, suite)), *layers)


def shared_options(suite: Suite, preset: Preset) -> dict[str, Any]:
    """The options of all variants of the suite under a preset."""
    given = {"backbone": preset.backbone or suite.backbone, "batch_size": preset.batch_size}
    return {key: value for key, value in given.items() if value is not None} | suite.shared | preset.shared


def _made(name: str, suite: Suite, options: Mapping[str, Any]) -> Variant:
    variant = registry.get(base_name(name, suite), **options)
    if name not in suite.named:
        return variant
    own = ", ".join(f"{key} {_words(value)}" for key, value in suite.named[name].options.items())
    title = suite.named[name].title or f"{variant.title}{', ' if own else ''}{own}"
    return dataclasses.replace(variant, label=name, title=title)


def _words(value: Any) -> str:
    """A value as a reader writes it: ``dcgan, width 16``, ``Adam, lr 0.0002``."""
    if isinstance(value, Optimizer):
        value = {"name": value.name, **value.settings}
    if isinstance(value, Mapping):
        parts = (str(inner) if key == "name" else f"{key} {_words(inner)}" for key, inner in value.items())
        return ", ".join(parts)
    return str(list(value)) if isinstance(value, (list, tuple)) else str(value)
