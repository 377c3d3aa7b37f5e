"""The registry: variants by name, from this package, other installed packages and plugin files."""

import ast
import contextvars
import dataclasses
import functools
import hashlib
import importlib
import inspect
import linecache
import pkgutil
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from gan_zoo import overrides, plugins, variants
from gan_zoo.errors import GanZooError, check_known, one_line, shown
from gan_zoo.latent import Latent
from gan_zoo.optimizer import Optimizer, Schedule, format_schedules, parse_schedules
from gan_zoo.variant import Variant

ENTRY_POINTS = "gan_zoo.variants"
"""The group of entry points by which installed packages register variants, and whatever else they have."""
_PACKAGE = "gan_zoo"
_MEASURING = frozenset({"register_metric", "register_extractor"})
"""The decorators of what measures: an edit of it measures again, and trains nothing again."""

_NAMES = {
    "concat_real_fake": "joint",
    "discriminator_bce": "_tell_apart",
    "maximize_score": "_raise_score",
}
"""Fields and functions in run identities by their first names, so that a new name changes no identity."""

_Factory = Callable[..., Variant]
_factories: dict[str, _Factory] = {}
_revisions: dict[str, int] = {}
plugins.add_table("variants", lambda: _factories)
plugins.add_table("revisions", lambda: _revisions, lambda _: None)
_requested: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("requested", default=None)


def register(name: str, *, revision: int = 1) -> Callable[[_Factory], _Factory]:
    """Decorate a function that makes a variant; its keyword arguments are the variant's hyperparameters.

    ``revision`` is part of a run's identity. Raise it when a change of the function changes the numbers of a training
    run, so that runs of the variant, and of all variants made from it, are trained again.

    Raises:
        GanZooError: the name is taken or cannot be part of a file name, the revision is not a positive integer, or what
            is decorated is no function.
    """
    check_name(name)
    if type(revision) is not int or revision < 1:
        raise GanZooError(f"revision {revision!r} of variant {name!r} must be an integer of at least 1")

    def decorate(factory: _Factory) -> _Factory:
        if not isinstance(factory, (types.FunctionType, types.MethodType, type)):
            kind = type(factory).__name__
            raise GanZooError(f"variant {name!r} is made by a {kind}; decorate a function: def {name}(): ...")
        taken = _factories.get(name)
        if taken is not None and not plugins.is_same(taken, factory):
            raise GanZooError(
                f"variant {name!r} is registered already, by {taken.__qualname__} in {inspect.getfile(taken)}; "
                "choose another name"
            )
        _factories[name] = factory
        _revisions[name] = revision
        return factory

    return decorate


def check_name(name: str) -> None:
    """Raise GanZooError if a name cannot be that of a variant in tables and file names."""
    if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII) or name == "real":
        raise GanZooError(
            f"{shown(name)} cannot name a variant: use up to 100 letters, digits, '_', '-' and '.', and not 'real'"
        )


def names() -> list[str]:
    """The names of all registered variants, sorted."""
    _discover()
    return sorted(_factories)


def get(name: str, /, **options: Any) -> Variant:
    """The variant of that name.

    ``options`` are the hyperparameters of its function, or options that every variant takes as plain values:

    - fields of ``Variant``: ``batch_size``, ``image_side``, ``ema``, ``latent="100 normal"``,
      ``initialization="normal 0.02"`` ...;
    - ``latent=64``: another size of the variant's own latent;
    - ``lr=1e-5``: the learning rate of both optimizers;
    - ``generator_optimizer={"lr": 1e-5}``, or the key ``"generator_optimizer.lr"``: settings in place of the variant's
      own; with a name, ``{"name": "Adam", "lr": 1e-4, "betas": [0, 0.9]}``, another optimizer;
    - ``backbone``: other networks, ``"dcgan"`` or ``{"name": "dcgan", "width": 16, "norm": "none"}``
      (``gan_zoo.networks.BACKBONES``);
    - a table with a key ``start``, e.g. ``lr={"start": 1e-3, "shape": "cosine", "length": 20000}``: a ``Schedule``.

    Raises:
        GanZooError: no variant or no option of that name (the nearest is named), or a value that does not fit.
    """
    factory = _factory(name)
    requested = _requested.get()
    if requested is not None:
        requested.add(name)
    own = inspect.signature(factory).parameters
    try:
        options = overrides.nested(format_schedules(options), own)
        for option in options:
            check_known(f"option of variant {name!r}:", option, [*own, *overrides.known()])
        values = {key: parse_schedules(value) for key, value in options.items()}
        variant = factory(**{key: value for key, value in values.items() if key in own})
        if variant is None:
            file = inspect.getfile(factory)
            raise GanZooError(f"variant {name!r}: its function returned None; return a Variant (in {file})")
        fields = overrides.replaced(variant, {key: value for key, value in values.items() if key not in own})
        return dataclasses.replace(variant, **fields, name=name, options=options)
    except (GanZooError, KeyboardInterrupt):
        raise
    except BaseException as error:
        # The function is untrusted code: whatever it raises becomes one line, with the file to fix.
        given = ", ".join(f"{key}={shown(value)}" for key, value in options.items())
        made = f"made with ({given})" if given else "made"
        why = one_line(error)
        if isinstance(error, (TypeError, ValueError)):
            why = why.removeprefix(f"{type(error).__name__}: ")
        raise GanZooError(f"variant {name!r} cannot be {made}: {why} (in {inspect.getfile(factory)})") from error


def _factory(name: str) -> _Factory:
    _discover()
    check_known("variant", name, _factories)
    return _factories[name]


def hyperparameters(name: str) -> dict[str, Any]:
    """The hyperparameters of a variant's function with their default values."""
    return {key: parameter.default for key, parameter in inspect.signature(_factory(name)).parameters.items()}


def is_own(name: str) -> bool:
    """Whether a variant is part of this package."""
    return _package(_factory(name)) == _PACKAGE


def sources(name: str) -> list[Path]:
    """The files of the variant and of the variants that it is made from; of an installed plugin, all of its package."""
    return sorted({file for each in _made_from(name) for file in _files(_factories[each])})


def code_identity(name: str, /, **options: Any) -> dict[str, Any]:
    """The part of a run's identity that stands for a variant's code, as JSON.

    ``revisions`` are those of the variant and of all variants that it is made from, by name. ``plugins`` (if any) are
    SHA-256 digests (hex) of the syntax trees of the files or packages that register them, without docstrings.

    Example: ``{"revisions": {"cgan": 1, "gan": 1, "lsgan": 1}}``.

    Raises:
        GanZooError: the variant cannot be made with these options, or the source of a plugin cannot be read.
    """
    used = sorted(_made_from(name, **options))
    sources: dict[str, set[Path]] = {}
    for each in used:
        package = _package(_factories[each])
        if package != _PACKAGE:
            files = _files(_factories[each])
            sources.setdefault(package or files[0].name, set()).update(files)
    identity: dict[str, Any] = {"revisions": {each: _revisions.get(each, 1) for each in used}}
    if sources:
        identity["plugins"] = {key: _syntax_digest(sources[key], _MEASURING) for key in sorted(sources)}
    return identity


def code_digest(function: Callable[..., Any]) -> str:
    """SHA-256 (hex) of the syntax trees of the file or package of a plugin's function; empty for one of this package.

    Raises:
        GanZooError: the source cannot be read.
    """
    function = inspect.unwrap(function)
    return "" if _package(function) == _PACKAGE else _syntax_digest(_files(function))


def _made_from(name: str, **options: Any) -> set[str]:
    """The names of the variant and of all variants that its function calls ``get`` for."""
    requested: set[str] = set()
    token = _requested.set(requested)
    try:
        get(name, **options)
    finally:
        _requested.reset(token)
    return requested


def _package(factory: _Factory) -> str:
    """The top-level package of a variant's function; empty for a plugin file."""
    package = factory.__module__.partition(".")[0]
    return package if hasattr(sys.modules.get(package), "__path__") else ""


def _files(factory: _Factory) -> list[Path]:
    """The Python files that decide a variant, apart from those of the variants that it is made from."""
    package = _package(factory)
    if package in ("", _PACKAGE):
        return [Path(inspect.getfile(factory)).resolve()]
    return list(Path(sys.modules[package].__path__[0]).resolve().rglob("*.py"))


def _syntax_digest(files: Iterable[Path], without: Set[str] = frozenset()) -> str:
    """SHA-256 (hex) of the syntax trees of Python files, in the order of their paths.

    Functions with one of the decorators ``without`` are left out if nothing else in the file names them.
    """
    total = hashlib.sha256()
    for file in sorted(files):
        # linecache also has the source of a notebook's cells.
        source = file.read_bytes() if file.is_file() else "".join(linecache.getlines(str(file)))
        if not source and not file.is_file():
            raise GanZooError(f"the source {str(file)!r} of a plugin cannot be read; move its functions to a file")
        try:
            module = ast.parse(source)
            left_out = {id(each) for each in module.body if not without.isdisjoint(_decorators(each))}
            kept = [each for each in module.body if id(each) not in left_out]
            used = {node.id for each in kept for node in ast.walk(each) if isinstance(node, ast.Name)}
            module.body = [e for e in module.body if id(e) not in left_out or getattr(e, "name", "") in used]
            tree = _syntax(module)
        except RecursionError:
            raise GanZooError(f"the source {str(file)!r} of a plugin is nested too deeply; shorten it") from None
        except (SyntaxError, ValueError):
            # A package may hold files that are not for this version of Python, and that nothing imports.
            tree = repr(source)
        total.update(f"{tree}\n".encode())
    return total.hexdigest()


def _decorators(statement: ast.stmt) -> Iterator[str]:
    """The names of the decorators of a function that are called, without those of their modules."""
    for decorator in getattr(statement, "decorator_list", []):
        called = getattr(decorator, "func", None)
        yield getattr(called, "attr", getattr(called, "id", ""))


def _syntax(node: Any) -> str:
    """A syntax tree as text. Unlike that of ``ast.dump``, the text is the same in every version of Python."""
    if isinstance(node, list):
        return f"[{', '.join(map(_syntax, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {key: value for key, value in ast.iter_fields(node) if value is not None and value != []}
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            documented = ast.get_docstring(node, clean=False) is not None
            fields["body"] = node.body[1:] if documented else node.body
    return f"{type(node).__name__}({', '.join(f'{key}={_syntax(value)}' for key, value in fields.items())})"


@functools.cache
def _discover() -> None:
    for module in pkgutil.iter_modules(variants.__path__, f"{variants.__name__}."):
        importlib.import_module(module.name)
    plugins.load_installed(ENTRY_POINTS)


def load_plugin(path: Path) -> list[str]:
    """Run a Python file that registers something, and return the names of its variants.

    What it registered before is registered again.

    Raises:
        GanZooError: the file is missing, cannot be run, or registers nothing.
    """
    _discover()
    path = Path(path).resolve()
    plugins.load(path)
    return sorted(name for name, factory in _factories.items() if plugins.file_of(factory) == path)


def describe(value: Any) -> Any:
    """``value`` as JSON, equal in every process: the part of a run's identity that stands for a variant.

    A record becomes its fields, a function its qualified name with its closure and default values, an object without a
    ``__repr__`` its class and attributes, anything else its text.

    Raises:
        GanZooError: it refers to itself, or its own code fails.
    """
    try:
        return _describe(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise GanZooError(f"{shown(value)} has no description that identifies it: {one_line(error)}") from error


def _describe(value: Any) -> Any:
    if isinstance(value, (Latent, type(None), bool, int, float, str)):
        return str(value) if isinstance(value, Latent) else value
    if isinstance(value, (Optimizer, Schedule)):
        return _describe(value.identity())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [each for each in dataclasses.fields(value) if not _omitted(value, each)]
        return {_NAMES.get(each.name, each.name): _describe(getattr(value, each.name)) for each in fields}
    if isinstance(value, functools.partial):
        return {"function": _describe(value.func), "args": _describe(value.args), "keywords": _describe(value.keywords)}
    if isinstance(value, Mapping):
        return {str(key): _describe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_describe(inner) for inner in value]
        return sorted(items, key=str) if isinstance(value, (set, frozenset)) else items
    if isinstance(value, type) or inspect.isroutine(value):
        return _describe_function(value)
    if type(value).__repr__ is object.__repr__:
        return {"object": _describe_function(type(value)), "with": _describe(vars(value))}
    return str(value)


def _omitted(value: Any, field: "dataclasses.Field[Any]") -> bool:
    """Whether a field that was added to a record later has its default, so that the identity stays the same."""
    return bool(field.metadata.get("omit_default")) and getattr(value, field.name) == field.default


def _describe_function(value: Any) -> Any:
    """A function or class by its qualified name, with its bound object, closed-over values and default values."""
    name = f"{value.__module__}.{_NAMES.get(value.__qualname__, value.__qualname__)}"
    made: dict[str, Any] = {"self": value.__self__} if inspect.ismethod(value) else {}
    if inspect.isfunction(value):
        made |= inspect.getclosurevars(value).nonlocals
        made |= {key: p.default for key, p in inspect.signature(value).parameters.items() if p.default is not p.empty}
    # A function that closes over itself is named, not unfolded again.
    described = {key: name if inner is value else _describe(inner) for key, inner in made.items()}
    return {"function": name, "with": described} if described else name
