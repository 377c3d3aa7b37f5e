"""What this package has, by name: variants and data sets, from a file, as torch takes seconds to import.

``make index`` writes the file (`gan_zoo.cli.facts`). Plugins are not in it: with one, the registry answers too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gan_zoo.errors import GanZooError, check_known, unknown
from gan_zoo.options import RunOptions
from gan_zoo.variants import INDEX, read_index

_PACKAGE = Path(__file__).parents[1]

Record = dict[str, Any]
Plugins = Sequence[Path | str] | None


def records(plugins: Plugins) -> list[Record]:
    """A record a variant, in the order of the README, or a GanZooError of a plugin or of a variant of it."""
    found: list[Record] = read_index()["variants"]
    if added := names(plugins) - {each["name"] for each in found}:
        from gan_zoo.cli import facts

        return facts.ordered([*found, *map(facts.record, added)])
    return found


def record(name: str, plugins: Plugins) -> Record:
    """The record of one variant, or a GanZooError of its name or of a plugin."""
    check_variants([name], plugins)
    for found in read_index()["variants"]:
        if found["name"] == name:
            return dict(found)
    from gan_zoo.cli import facts

    return facts.record(name)


def metrics(plugins: Plugins) -> list[Record]:
    """The record of each metric, in the order of tables, or a GanZooError of a plugin."""
    from gan_zoo.metrics.registry import METRICS, records_of

    names(plugins)
    return list(records_of(METRICS).values())


def data_sets(plugins: Plugins) -> dict[str, str]:
    """The description of each data set, or a GanZooError of a plugin."""
    names(plugins)
    if not plugins and not _has_installed_plugins():
        return dict(read_index()["data"])
    from gan_zoo import data

    return data.descriptions()


def names(plugins: Plugins) -> set[str]:
    """The names of all variants; plugins, and packages that register variants, are loaded if there are any."""
    if not plugins and not _has_installed_plugins():
        return _own_names()
    from gan_zoo import registry

    for path in plugins or []:
        registry.load_plugin(Path(path))
    return {*registry.names()}


def _has_installed_plugins() -> bool:
    """Whether an installed package registers variants, and perhaps data sets."""
    # Slow to import, and help does not need it.
    from importlib.metadata import entry_points

    return bool(entry_points(group="gan_zoo.variants"))


@cache
def _own_names() -> set[str]:
    """The variants of this package, from their sources, which may be newer than the index."""
    sources = (file.read_text(encoding="utf-8") for file in INDEX.parent.glob("*.py"))
    return {name for source in sources for name in re.findall(r'^@register\("([\w.-]+)"', source, re.MULTILINE)}


def check_variants(given: Iterable[str], plugins: Plugins, more: Iterable[str] = ()) -> None:
    """Raise GanZooError if a name is neither of a variant nor in ``more``, or a plugin cannot be loaded."""
    known = names(plugins) | {*more}
    for name in given:
        check_known("variant", name, known)


def check_run(variant: str, settings: Mapping[str, Any], data: str, options: RunOptions) -> None:
    """Check the names in a single training run; with plugins, not those that they may add.

    Raises:
        GanZooError: an unknown variant, option of a variant in the index, or data set.
    """
    check_variants([variant], options.plugins)
    for own in (each["hyperparameters"] for each in read_index()["variants"] if each["name"] == variant):
        for setting in settings:
            check_known(f"option of variant {variant!r}:", setting.partition(".")[0], [*own, *read_index()["options"]])
    if not options.plugins:
        check_data(data)


def check_suite(options: RunOptions) -> None:
    """Check a suite, and the names that are given beside it and in it; with plugins, those that they cannot add.

    Raises:
        GanZooError: no such suite, preset, variant or data set, or a suite that cannot be read.
    """
    from gan_zoo.bench.suite import check_names, read_suite

    suite = read_suite(options.suite)
    preset = None if options.preset == "auto" else suite.preset(options.preset)
    if options.plugins:
        return
    check_names(suite, options.preset, preset, names(None))
    check_variants(options.variants or [], None, suite.named)
    try:
        check_data(suite.data)
    except GanZooError as error:
        raise GanZooError(f"{suite.file}: key 'data': {error}") from None


def check_data(name: str) -> None:
    """Raise GanZooError if a data set is unknown."""
    known = read_index()["data"]
    kind, colon, _ = name.partition(":")
    if name in known or (colon and f"{kind}:PATH" in known):
        return
    # The sources may be newer than the index. What plugins add is known to the registry alone.
    sources = (file.read_text(encoding="utf-8") for file in (_PACKAGE / "data").glob("*.py"))
    if not any(f'"{name}"' in source for source in sources) and not _has_installed_plugins():
        raise unknown("data set", name, known)
