"""Plugins: Python files and installed packages whose decorated functions join the tables of this package."""

import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_zoo.errors import GanZooError, one_line

_Content = Callable[[], dict[str, Any]]
_FunctionOf = Callable[[Any], Any]
_tables: dict[str, tuple[_Content, _FunctionOf]] = {}


def add_table(kind: str, content: _Content, function_of: _FunctionOf = lambda value: value) -> None:
    """Let plugins add to a table: a file that is loaded again replaces its entries, and one that fails leaves none.

    Args:
        kind: what the entries are.
        content: returns the table.
        function_of: the decorated function of an entry, or None.
    """
    _tables[kind] = (content, function_of)


def file_of(function: Any) -> Path | None:
    """The file of a function or class; None if it has none."""
    try:
        return Path(inspect.getfile(inspect.unwrap(function))).resolve()
    except (TypeError, OSError):
        return None


def is_same(one: Any, other: Any) -> bool:
    """Whether two functions are the same one of a file, or of a notebook's cell, that was run again."""
    file = file_of(one)
    return file is not None and (file, one.__qualname__) == (file_of(other), other.__qualname__)


def load(path: Path) -> None:
    """Run a Python file that registers something.

    Raises:
        GanZooError: the file is missing, cannot be run, or registers nothing.
    """
    if not path.is_file():
        raise GanZooError(f"plugin {str(path)!r} is not a file; write one with `gan-zoo new NAME`")
    module_name = f"gan_zoo_plugin_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, path)
    if module_spec is None or module_spec.loader is None:
        raise GanZooError(f"plugin {str(path)!r} is not a Python file (.py)")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    before = {kind: dict(content()) for kind, (content, _) in _tables.items()}
    _forget(path)
    try:
        # Compiled here, since Python's own cache takes an edit of the same second and length for no edit.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        if not any(_added_by(path)):
            raise GanZooError(
                f"plugin {str(path)!r} registers nothing; decorate a function with register, register_metric, "
                "register_extractor or register_dataset of gan_zoo, e.g. @gan_zoo.register('name')"
            )
    except BaseException as error:
        _forget(path)
        for kind, entries in before.items():
            _tables[kind][0]().update(entries)
        if type(error) is GanZooError and str(path) not in str(error):
            raise GanZooError(f"plugin {str(path)!r}: {error}") from None
        if isinstance(error, (GanZooError, KeyboardInterrupt)):
            raise
        raise GanZooError(f"plugin {str(path)!r} cannot be run: {one_line(error)}") from error


def _added_by(path: Path) -> list[list[str]]:
    """The names of the entries of each table whose function is in a file."""
    return [
        [name for name, value in content().items() if file_of(function_of(value)) == path]
        for content, function_of in _tables.values()
    ]


def _forget(path: Path) -> None:
    for (content, _), added in zip(_tables.values(), _added_by(path), strict=True):
        for name in added:
            content().pop(name, None)


def load_installed(group: str) -> None:
    """Import the modules that installed packages name as entry points of a group.

    Raises:
        GanZooError: one cannot be imported.
    """
    for point in importlib.metadata.entry_points(group=group):
        try:
            point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise GanZooError(
                f"the plugin {point.value!r} (entry point {group}) cannot be loaded: {one_line(error)}; fix or "
                "uninstall it"
            ) from error
