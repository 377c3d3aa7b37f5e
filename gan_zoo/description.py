"""Records and functions in words: what a variant's identity is made of, and what `gan-zoo show` prints."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any

from gan_zoo.latent import Latent


def describe(value: Any) -> Any:
    """``value`` as JSON: what decides a variant's numbers, in words.

    A record becomes its fields, a function its qualified name with the values it was made with, an object without a
    text of its own its class and attributes, anything else its text. The same in every process: no addresses, no
    set's order.
    """
    if isinstance(value, (Latent, type(None), bool, int, float, str)):
        return str(value) if isinstance(value, Latent) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value) if not _omitted(value, f)}
    if isinstance(value, functools.partial):
        return {"function": describe(value.func), "args": describe(value.args), "keywords": describe(value.keywords)}
    if isinstance(value, Mapping):
        return {str(key): describe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted((describe(inner) for inner in value), key=str)
    if isinstance(value, type) or inspect.isroutine(value):
        return _describe_function(value)
    if type(value).__repr__ is object.__repr__:
        return {"object": _describe_function(type(value)), "with": describe(vars(value))}
    return str(value)


def _omitted(value: Any, field: "dataclasses.Field[Any]") -> bool:
    """Whether a field was added to a record later and has its default: earlier descriptions are still the same."""
    return bool(field.metadata.get("omit_default")) and getattr(value, field.name) == field.default


def _describe_function(value: Any) -> Any:
    """A function or class by its qualified name, with its bound object, closed-over values and default values."""
    name = f"{value.__module__}.{value.__qualname__}"
    made: dict[str, Any] = {"self": value.__self__} if inspect.ismethod(value) else {}
    if inspect.isfunction(value):
        made |= inspect.getclosurevars(value).nonlocals
        made |= {key: p.default for key, p in inspect.signature(value).parameters.items() if p.default is not p.empty}
    # A function that closes over itself is named, not unfolded again.
    said = {key: name if inner is value else describe(inner) for key, inner in made.items()}
    return {"function": name, "with": said} if said else name
