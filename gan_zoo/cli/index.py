"""What this package has, by name: variants and data sets, from a file, as torch takes seconds to import.

``make index`` writes the file (`gan_zoo.cli.facts`). Plugins are not in it: with one, the registry answers too.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gan_zoo.errors import GanZooError, check_known, unknown
from gan_zoo.options import PRECISIONS, RunOptions

_PACKAGE = Path(__file__).parents[1]
FILE = _PACKAGE / "variants" / "index.json"
PATH = ":PATH"
"""How the name of a data set ends that takes a path, e.g. ``folder:PATH``."""

Record = dict[str, Any]
Plugins = Sequence[Path | str] | None


@cache
def read() -> dict[str, Any]:
    """The file's content: ``variants``, a record each; the ``options`` of all; ``data``, a line each."""
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def records(plugins: Plugins) -> list[Record]:
    """A record a variant, in the order of the README.

    Raises:
        GanZooError: a plugin that cannot be loaded, or a variant of one that cannot be made.
    """
    found: list[Record] = read()["variants"]
    if added := names(plugins) - {each["name"] for each in found}:
        from gan_zoo.cli import facts

        return facts.ordered([*found, *map(facts.record, added)])
    return found


def record(name: str, plugins: Plugins) -> Record:
    """The record of one variant.

    Raises:
        GanZooError: no variant of that name, or a plugin that cannot be loaded.
    """
    check_variants([name], plugins)
    for found in read()["variants"]:
        if found["name"] == name:
            return dict(found)
    from gan_zoo.cli import facts

    return facts.record(name)


def names(plugins: Plugins) -> set[str]:
    """The names of all variants; plugins, and packages that register variants, are loaded if there are any.

    Raises:
        GanZooError: a plugin that cannot be loaded.
    """
    if not plugins and not _installed():
        return _own_names()
    from gan_zoo import registry

    for path in plugins or []:
        registry.load_plugin(Path(path))
    return {*registry.names()}


def _installed() -> bool:
    """Whether an installed package registers variants, and perhaps data sets."""
    # Slow to import, and help needs none of it.
    from importlib.metadata import entry_points

    return bool(entry_points(group="gan_zoo.variants"))


@cache
def _own_names() -> set[str]:
    """The variants of this package: those of the index, and those whose source is newer."""
    sources = (file.read_text(encoding="utf-8") for file in FILE.parent.glob("*.py"))
    added = (name for source in sources for name in re.findall(r'^@register\("([\w.-]+)"', source, re.MULTILINE))
    return {*added, *(each["name"] for each in read()["variants"])}


def check_variants(given: Iterable[str], plugins: Plugins, more: Iterable[str] = ()) -> None:
    """Check names of variants; ``more`` are names of a suite.

    Raises:
        GanZooError: an unknown name, or a plugin that cannot be loaded.
    """
    known = names(plugins) | {*more}
    for name in given:
        check_known("variant", name, known)


def check_options(variant: str, options: Mapping[str, Any]) -> None:
    """Check the names of a variant's options, if the index has the variant.

    Raises:
        GanZooError: an unknown name.
    """
    for own in (each["hyperparameters"] for each in read()["variants"] if each["name"] == variant):
        for option in options:
            check_known(f"option of variant {variant!r}:", option.partition(".")[0], [*own, *read()["options"]])


def check_data(name: str) -> None:
    """Check the name of a data set.

    Raises:
        GanZooError: an unknown name.
    """
    prefix, colon, _ = name.partition(":")
    if name in read()["data"] or (colon and prefix + PATH in read()["data"]):
        return
    # The sources may be newer than the index. What plugins add is known to the registry alone.
    sources = (file.read_text(encoding="utf-8") for file in (_PACKAGE / "data").glob("*.py"))
    if not any(f'"{name}"' in source for source in sources) and not _installed():
        raise unknown("data set", name, read()["data"])


def check_suite(options: RunOptions) -> None:
    """Check a suite, and the names that are given beside it and in it; with plugins, those that they cannot add.

    Raises:
        GanZooError: no such suite, preset, precision, variant or data set, or a suite that cannot be read.
    """
    from gan_zoo.bench.suite import check_names, read_suite

    suite = read_suite(options.suite)
    preset = None if options.preset == "auto" else suite.preset(options.preset)
    check_precision(options.precision)
    if options.plugins:
        return
    check_names(suite, options.preset, preset, names(None))
    check_variants(options.variants or [], None, suite.named)
    try:
        check_data(suite.data)
    except GanZooError as error:
        raise GanZooError(f"{suite.file}: key 'data': {error}") from None


def check_precision(name: str | None) -> None:
    """Check the name of a precision; None is the default.

    Raises:
        GanZooError: an unknown name.
    """
    if name is not None:
        check_known("precision", name, PRECISIONS)
