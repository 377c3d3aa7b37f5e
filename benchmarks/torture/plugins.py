"""Plugins that misbehave, when they are imported or when their variant is made."""

import random

_HEAD = """import functools
import os
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
    "raise SystemExit(0)",
    "raise SystemExit('text')",
    "sys.exit(3)",
    "raise Odd",
    "raise Unprintable",
    "raise GeneratorExit",
    "raise MemoryError",
    "raise OSError(28, 'No space left on device')",
    "raise StopIteration",
    "1 / 0",
    "import missing_module",
    "endless()",
    "sys.stdout.close()",
    "[].pop()",
)
_AT_IMPORT = (
    "register('odd')(functools.partial(good))",
    "register('odd')(5)",
    "register('')(good)",
    "register('a b/../c')(good)",
    "register('gan')(good)",
    "register(5)(good)",
    "register('odd')(lambda *, x: good())",
    "register('odd')(lambda x, /: good())",
    "register('odd')(lambda *a, **k: good())",
    "register('odd')(lambda *, x=object(): good())",
    "register('odd')(Variant)",
    "register('odd')(good); register('odd')(good)",
    "def broken(:",
    "x = '\\0",
    "os.chdir('/')",
)
_MADE = (
    "return None",
    "return 5",
    "return Variant()",
    "return good(title=5)",
    "return good(title='\\x1b[31m<script>')",
    "return good(title='')",
    "return good(title='a\\nb')",
    "return good(batch_size=-1)",
    "return good(batch_size='x')",
    "return good(batch_size=10**12)",
    "return good(latent=5)",
    "return good(networks=lambda spec: None)",
    "return good(networks=lambda spec: (nn.Linear(1, 1), nn.Linear(1, 1)))",
    "return good(networks=5)",
    "return good(objective=5)",
    "return good(paper=None)",
    "return good(image_side=0)",
    "return good(zzz=1)",
    "return good(deviations=5)",
    "return good()",
)


def odd_plugin(chance: random.Random) -> tuple[bytes, str]:
    """The source of a plugin that fails at import, or whose variant ``odd`` fails, and the line that does it."""
    if chance.random() < 0.4:
        line = chance.choice(_FAILING + _AT_IMPORT)
        return f"{_HEAD}{line}\n".encode(), f"at import: {line}"
    line = chance.choice(_FAILING + _MADE)
    return f"{_HEAD}@register('odd')\ndef odd(*, width: int = 4):\n    {line}\n".encode(), f"when made: {line}"
