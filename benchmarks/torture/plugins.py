"""Plugins that misbehave, when they are imported or when their variant is made."""

import random

_HEAD = """import functools
import sys

from torch import nn

from gan_zoo.latent import normal
from gan_zoo.losses import cross_entropy
from gan_zoo.registry import register
from gan_zoo.variant import Variant


class Odd(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def endless():
    return endless()


def good(**changes):
    parts = dict(title="Odd", paper="none", objective=cross_entropy(), latent=normal(4), batch_size=8,
                 networks=lambda spec: (nn.Sequential(nn.Linear(4, 1024), nn.Unflatten(1, spec.shape)),
                                        nn.Sequential(nn.Flatten(), nn.Linear(1024, 1), nn.Flatten(0))))
    return Variant(**{**parts, **changes})


"""
_FAILING = (
    *("raise SystemExit(0)", "raise SystemExit('text')", "sys.exit(3)", "raise Odd", "raise Unprintable"),
    *("raise GeneratorExit", "raise MemoryError", "raise OSError(28, 'full')", "raise StopIteration", "1 / 0"),
    *("import missing_module", "endless()"),
)
_AT_IMPORT = (
    *("register('odd')(functools.partial(good))", "register('odd')(5)", "register('odd')(Variant)"),
    *("register('')(good)", "register('a b/../c')(good)", "register('gan')(good)", "register(5)(good)"),
    *("register('odd')(lambda *, x: good())", "register('odd')(lambda x, /: good())"),
    *("register('odd')(lambda *a, **k: good())", "register('odd')(lambda *, x=object(): good())"),
    *("register('odd')(good); register('odd')(good)", "def broken(:", "x = '\\0"),
)
_MADE = (
    *("None", "5", "Variant()", "good(title=5)", "good(title='\\x1b[31m<script>')", "good(title='')"),
    *("good(title='a\\nb')", "good(batch_size=-1)", "good(batch_size='x')", "good(batch_size=10**12)"),
    *("good(latent=5)", "good(networks=lambda spec: None)", "good(networks=5)", "good(objective=5)"),
    *("good(networks=lambda spec: (nn.Linear(1, 1), nn.Linear(1, 1)))", "good(paper=None)", "good(zzz=1)"),
    *("good(image_side=0)", "good(deviations=5)", "good()"),
)


def odd_plugin(chance: random.Random) -> tuple[bytes, str]:
    """The source of a plugin that fails at import, or whose variant ``odd`` fails, and the line that does it."""
    if chance.random() < 0.4:
        line = chance.choice(_FAILING + _AT_IMPORT)
        return f"{_HEAD}{line}\n".encode(), f"at import: {line}"
    line = chance.choice([*_FAILING, *(f"return {value}" for value in _MADE)])
    return f"{_HEAD}@register('odd')\ndef odd(*, width: int = 4):\n    {line}\n".encode(), f"when made: {line}"
