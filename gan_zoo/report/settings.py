"""Settings of the variants: the paper's value, the registered default and this run's, wherever these differ."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, NamedTuple

from gan_zoo import text
from gan_zoo.bench.records import Row
from gan_zoo.bench.results import Results

OVERRIDDEN = "†"
"""Marks what differs from the registered default."""
NOT_THE_PAPERS = "‡"
"""Marks what differs from the paper."""
ALL = "all variants"
OTHER = "other"
"""The name of a setting that is not recorded as one."""
_PAPERS = tomllib.loads(files("gan_zoo.report").joinpath("papers.toml").read_text(encoding="utf-8"))
_PLAYERS = ("generator_optimizer", "discriminator_optimizer")
_BOTH = "optimizers"
_FIELDS = ("latent", "batch_size", "initialization", "ema", "discriminator_steps", "generator_steps", *_PLAYERS)
_BACKBONE = "backbone"
_NETWORKS = "networks"
_PARTS = {_BACKBONE: [_NETWORKS]} | {name: [_BOTH, "learning rates"] for name in (*_PLAYERS, _BOTH)}
"""The deviations that are not those of a run whose suite changed a setting."""
_OVERRIDE = re.compile(r"([A-Za-z_][\w.]*) (.+), not (.+)", re.DOTALL)
_DEVIATION = re.compile(r"(?:([a-z][a-z_' ]{0,39}): )?(.+?)(?: \((?:paper|(authors' code[^:()]*)): (.+)\))?", re.DOTALL)
_UNNAMED = {
    "generator's fakes": "^the generator learns from the fakes|^one batch of fakes",
    "networks": "networks|^widths|^encoder|^batch norm|^dropout|^3x3|^blocks|^scaled|resampling",
    "batch_size": r"^batch \d",
    "latent": "^latent|normal noise",
    "initialization": "weights$|^N\\(0, 0\\.02\\)",
    "optimizers": "^Adam|learning rate",
    "ema": "moving average",
    "loss": "losses$|^least squares",
    "penalty": "^uniform noise",
    "critic steps": "critic steps",
    "images": "^images|^32x32",
    "labels": "^labels",
}
"""The setting of a deviation that does not begin with its name, as in records of earlier versions."""


@dataclass(frozen=True)
class Setting:
    """A setting of one or several variants, which all have these values.

    Attributes:
        variants: their names in the suite.
        variant: these in words: ``all variants``, ``all but dcgan``, ``gan and cgan``.
        name: e.g. ``batch_size``; ``other`` if it is not recorded which setting differs.
        paper: empty if it is not recorded.
        default: of the registered variant, or of the suite's full preset (budget); empty if it is not recorded.
        this_run: what was trained.
        differs_from_paper: None if it is not known.
        differs_from_default: whether the suite or its preset overrides it.
    """

    variants: tuple[str, ...]
    variant: str
    name: str
    paper: str
    default: str
    this_run: str
    differs_from_paper: bool | None
    differs_from_default: bool

    @property
    def mark(self) -> str:
        """``†``, ``‡``, ``†‡`` or empty."""
        return OVERRIDDEN * self.differs_from_default + NOT_THE_PAPERS * bool(self.differs_from_paper)


class _Deviation(NamedTuple):
    name: str
    ours: str
    theirs: str


def settings(results: Results) -> list[Setting]:
    """The settings that differ from the paper, from the default or between variants; those of all variants first."""
    begins = _begins(results)
    explained = notes(results)
    named = _table(_table(results.manifest.get("suite")).get("named"))
    found: list[Setting] = []
    for name, begin in begins.items():
        overridden, prose = _overrides(begin, explained.get(name))
        found += _overridden(name, begin, overridden)
        found += [_setting(name, OTHER, "", "", line, None, True) for line in prose]
        options = _merged({key: _value(value) for key, value in _table(_table(named.get(name)).get("options")).items()})
        found += _named(name, begin, {key: value for key, value in options.items() if key not in overridden})
        found += _deviating(name, begin, overridden, {*overridden, *options})
    found += _between(begins, found)
    return _grouped(found, list(begins))


def marks(results: Results) -> dict[str, str]:
    """The marks of each trained variant: ``†`` with overrides, ``‡`` with deviations from its paper, or both."""
    found = dict.fromkeys(_begins(results), "")
    for setting in settings(results):
        for name in setting.variants:
            found[name] = "".join(mark for mark in (OVERRIDDEN, NOT_THE_PAPERS) if mark in found[name] + setting.mark)
    return found


def notes(results: Results) -> dict[str, str]:
    """What the suite says of a variant under this preset, by variant."""
    presets = _table(_table(results.manifest.get("suite")).get("presets"))
    given = _table(_table(presets.get(results.manifest["preset"])).get("notes"))
    return {name: str(given[name]) for name in _begins(results) if name in given}


def _begins(results: Results) -> dict[str, Row]:
    """The first row of the records of each trained variant."""
    begins: dict[str, Row] = {}
    for record in results.records:
        if record.begin["variant"] not in results.untrained:
            begins.setdefault(record.begin["variant"], record.begin)
    return begins


def _overrides(begin: Row, note: str | None) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """This run's value and the default of each overridden setting, and the overrides that name no setting."""
    parsed: dict[str, tuple[str, str]] = {}
    prose: list[str] = []
    for line in begin.get("overrides", []):
        found = _OVERRIDE.fullmatch(line)
        if found is not None and line != note:
            parsed[found[1]] = (_value(found[2]), _value(found[3]))
        elif line != note:
            prose.append(line)
    return _merged(parsed), prose


def _overridden(variant: str, begin: Row, overridden: Mapping[str, tuple[str, str]]) -> Iterator[Setting]:
    """The overridden settings of a variant. Whether they differ from the paper is known where its value is."""
    paper = _paper(begin)
    deviations = {each.name: each for each in _deviations(begin)}
    for name, (value, default) in overridden.items():
        deviation = deviations.get(name, _Deviation(name, "", ""))
        theirs = paper.get(name, deviation.theirs)
        # Prose cannot be compared with a value.
        comparable = name in paper or (deviation.ours == default and _is_value(name, theirs, default))
        yield _setting(variant, name, theirs, default, value, value != theirs if comparable else None, True)


def _is_value(name: str, theirs: str, default: str) -> bool:
    """Whether a paper's value is in the words of options: a number in place of a number, or a known name."""
    if name in ("latent", "initialization"):
        return not theirs.startswith("authors")
    return all(re.fullmatch(r"[\d.e-]+", value) for value in (theirs, default))


def _named(variant: str, begin: Row, options: Mapping[str, str]) -> Iterator[Setting]:
    """The options by which the suite defines a variant of its own, which are no overrides."""
    paper = _paper(begin)
    for name, value in options.items():
        theirs = paper.get(name, "")
        yield _setting(variant, name, theirs, "", value, value != theirs if theirs else None, False)


def _deviating(
    variant: str, begin: Row, overridden: Mapping[str, tuple[str, str]], changed: Set[str]
) -> Iterator[Setting]:
    """What differs from the paper without an override: the recorded deviations, and values that are not the paper's.

    The deviations of settings that the suite ``changed``, or of networks that it replaced, are not those of this run.
    """
    paper = {name: value for name, value in _paper(begin).items() if name not in changed}
    values = _values(begin)
    for name, theirs in paper.items():
        if name in values and values[name] != theirs:
            yield _setting(variant, name, theirs, values[name], values[name], True, False)
    replaced = changed | {part for name, parts in _PARTS.items() if name in changed for part in parts}
    widths = [f"{name} {value}" for name, (value, _) in overridden.items() if name.endswith("width")]
    for name, ours, theirs in _deviations(begin):
        if name in replaced or (name in paper and name in values):
            continue
        if name == _NETWORKS and widths and "width" in ours:
            equal = all(
                _paper(begin).get(key) == value for key, (value, _) in overridden.items() if key.endswith("width")
            )
            yield _setting(
                variant, name, theirs, ours, f"these with {text.listed(widths)}", None if equal else True, True
            )
        else:
            yield _setting(variant, name, theirs, ours, ours, True, False)


def _between(begins: Mapping[str, Row], found: Iterable[Setting]) -> Iterator[Setting]:
    """The settings in which variants differ from each other, of those without an override or deviation there."""
    known = {(setting.variants[0], setting.name) for setting in found}
    values = {variant: _values(begin) for variant, begin in begins.items()}
    for name in (*_FIELDS, _BOTH):
        if len({mine.get(name) for mine in values.values()}) > 1:
            for variant, mine in values.items():
                if name in mine and (variant, name) not in known:
                    theirs = _paper(begins[variant]).get(name, "")
                    yield _setting(variant, name, theirs, mine[name], mine[name], False if theirs else None, False)


def _setting(variant: str, name: str, paper: str, default: str, this_run: str, *differs: Any) -> Setting:
    return Setting((variant,), variant, name, paper, default, this_run, *differs)


def _grouped(found: Iterable[Setting], variants: list[str]) -> list[Setting]:
    """One setting for all variants with equal values: those of all variants first, then by name, in order."""
    groups: dict[Setting, list[str]] = {}
    for setting in found:
        groups.setdefault(replace(setting, variants=(), variant=""), []).append(*setting.variants)
    names = list(dict.fromkeys(setting.name for setting in groups))
    grouped = [
        replace(setting, variants=tuple(mine), variant=_variants_in_words(mine, variants))
        for setting, mine in groups.items()
    ]
    return sorted(grouped, key=lambda each: (each.variant != ALL, each.name == OTHER, names.index(each.name)))


def _variants_in_words(mine: list[str], variants: list[str]) -> str:
    others = [name for name in variants if name not in mine]
    if not others and len(variants) > 1:
        return ALL
    return f"all but {text.listed(others)}" if 0 < len(others) < len(mine) - 1 else text.listed(mine)


def _deviations(begin: Row) -> list[_Deviation]:
    """The deviations of the registered variant from its paper: the setting, our value and theirs."""
    found = []
    for line in begin.get("deviations", []):
        match = _DEVIATION.fullmatch(line)
        name, ours, source, theirs = match.groups() if match else (None, line, None, None)
        guessed = next((setting for setting, pattern in _UNNAMED.items() if re.search(pattern, ours)), OTHER)
        found.append(_Deviation(name or guessed, ours, f"{source}: {theirs}" if source else theirs or ""))
    return found


def _paper(begin: Row) -> Mapping[str, str]:
    """The settings that the variant's paper states, those of networks that the suite replaced left out."""
    stated: dict[str, str] = _PAPERS.get(begin.get("paper", ""), {})
    is_replaced = any(line.startswith(f"{_BACKBONE} ") for line in begin.get("overrides", []))
    return {name: value for name, value in stated.items() if not (is_replaced and name.endswith("width"))}


def _values(begin: Row) -> dict[str, str]:
    """The settings of this run by name, from its identity."""
    identity = _table(begin.get("identity"))
    variant = _table(identity.get("variant"))
    fields = {name: _value(variant[name]) for name in _FIELDS if name in variant}
    return _merged({name: _value(value) for name, value in _table(identity.get("hyperparameters")).items()} | fields)


def _merged(values: dict[str, Any]) -> dict[str, Any]:
    """The settings with one entry for both optimizers if they are equal."""
    first, second = (values.get(name) for name in _PLAYERS)
    if first is None or first != second:
        return values
    return {_BOTH if name == _PLAYERS[0] else name: value for name, value in values.items() if name != _PLAYERS[1]}


def _value(value: Any) -> str:
    """A value in the words of overrides: ``Adam, lr 0.0002, betas [0.5, 0.999]``."""
    if isinstance(value, Mapping):
        flat = {key: inner for key, inner in value.items() if key not in ("settings", "decay")}
        flat |= _table(value.get("settings"))
        return ", ".join(str(inner) if key == "name" else f"{key} {_value(inner)}" for key, inner in flat.items())
    return "none" if value is None or value == "None" else str(value)


def _table(value: Any) -> Mapping[str, Any]:
    """A table of an untrusted file; empty if it is none."""
    return value if isinstance(value, Mapping) else {}
