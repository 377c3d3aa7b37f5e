"""A variant file to start from, and the checks that every variant passes."""

import keyword
import re
from pathlib import Path

from gan_zoo.cli import index
from gan_zoo.errors import GanZooError, check_known, one_line
from gan_zoo.io import atomic_write
from gan_zoo.options import FLOOR

TEMPLATE = '''"""{title}: what it is, and its paper."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_zoo.latent import normal
from gan_zoo.losses import Objective, Result
from gan_zoo.losses.penalties import {penalty_name}
from gan_zoo.registry import register
from gan_zoo.variant import Spec, Variant


class Generator(nn.Module):
    """From latents (B, spec.latent) and labels (B,) to samples (B, *spec.shape) in [-1, 1]."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.of_label = nn.Embedding(spec.generator_classes, spec.latent)
        self.layers = nn.Sequential(
            nn.Linear(2 * spec.latent, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, math.prod(spec.shape)), nn.Tanh(), nn.Unflatten(1, spec.shape),
        )

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([latents, self.of_label(labels)], dim=1))


class Discriminator(nn.Module):
    """From samples (B, *spec.shape) and labels (B,) to scores (B,), without batch norm: each depends on one sample."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.of_label = nn.Embedding(spec.discriminator_classes, 16)
        self.layers = nn.Sequential(
            nn.Linear(math.prod(spec.shape) + 16, width), nn.LeakyReLU(0.2), nn.Linear(width, 1), nn.Flatten(0),
        )

    def forward(self, samples: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([samples.flatten(1), self.of_label(labels)], dim=1))


def objective() -> Objective:
    """Each loss returns named terms; the engine sums them, records each, and steps the optimizers."""
    return Objective(
        title="non-saturating cross-entropy, written out",
        discriminator=lambda step, state: Result({{
            "real": softplus(-step.on_real.score).mean(), "fake": softplus(step.on_fake.score).mean(),
        }}),
        generator=lambda step, state: Result({{"adversarial": softplus(-step.on_fake.score).mean()}}),
        probability=True,
    )


@register("{name}")
def {name}(*, width: int = 256, weight: float = 10.0) -> Variant:
    return Variant(
        title="{title}",
        paper="arXiv 0000.00000",
        networks=lambda spec: (Generator(spec, width), Discriminator(spec, width)),
        objective=objective(),  # or one of gan_zoo.losses, e.g. hinge()
        penalties=({penalty},),
        latent=normal(64),
        conditioning="both",  # "none": the networks get no labels
        deviations=("how it differs from its paper",),
    )
'''
LIKE = '''"""{title}: {like}{with_penalty}."""

from dataclasses import replace

{imports}from gan_zoo.registry import get, register
from gan_zoo.variant import Variant


@register("{name}")
def {name}({parameters}) -> Variant:
    base = get("{like}")
    return replace(
        base,
        title="{title}",
        paper="arXiv 0000.00000",
{changes}        deviations=(*base.deviations, "how it differs from its paper"),
    )
'''
PENALTIES = {
    "r1": 'zero_centered("real", weight)',
    "r2": 'zero_centered("fake", weight)',
    "gradient_penalty": "gradient_penalty(weight)",
    "noise_penalty": "noise_penalty(weight)",
}
"""The penalties of ``gan_zoo.losses.penalties`` as a variant calls them, by the name that ``--penalty`` takes."""
_WORDS = set(re.findall(r"[A-Za-z_]\w*", f"{TEMPLATE} {LIKE} {PENALTIES}"))
"""No variant is named so: the template uses most of these names for other things."""


def write_variant(name: str, path: Path, *, like: str | None = None, penalty: str | None = None) -> Path:
    """Write a variant with networks of its own, or one ``like`` a registered variant, with a penalty.

    Raises:
        GanZooError: a name that does not fit or is taken, an unknown variant or penalty, or a file that exists.
    """
    if name in {*index.names(None), FLOOR}:
        raise GanZooError(f"variant {name!r} is there already; choose another name (`gan-zoo list` shows those taken)")
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise GanZooError(
            f"{name!r} cannot name a variant: use letters, digits and underscores, no keyword of Python, e.g. my_gan"
        )
    if name in _WORDS:
        raise GanZooError(
            f"{name!r} cannot name a variant: its file uses the name for something else; choose another, e.g. my_gan"
        )
    if penalty is not None:
        check_known("penalty", penalty, PENALTIES)
    if path.exists():
        raise GanZooError(f"{str(path)!r} exists already; nothing was written. Name another file with --out")
    title = name.replace("_", " ")
    if like is not None:
        atomic_write(path, _like(name, title, index.record(like, None), penalty))
        return path
    call = PENALTIES[penalty or "r1"]
    atomic_write(path, TEMPLATE.format(name=name, title=title, penalty=call, penalty_name=call.partition("(")[0]))
    return path


def _like(name: str, title: str, record: index.Record, penalty: str | None) -> str:
    """The file of a variant like that of a record."""
    words = {"name": name, "title": title, "like": record["name"], "with_penalty": "", "imports": ""}
    words |= {"parameters": "", "changes": ""}
    if penalty is None:
        return LIKE.format(**words)
    call = PENALTIES[penalty]
    words["with_penalty"] = f" with the penalty {penalty}"
    words["imports"] = f"from gan_zoo.losses.penalties import {call.partition('(')[0]}\n"
    words["parameters"] = "*, weight: float = 10.0"
    words["changes"] = f"        penalties=(*base.penalties, {call}),\n"
    if any("BatchNorm" in layer for layer in record["networks"]["discriminator"]):
        words["changes"] += '        norm="none",  # the penalty needs scores that depend on one sample only\n'
    return LIKE.format(**words)


def check_variant(name: str) -> None:
    """Run the checks that every variant passes over one, or raise GanZooError with those that fail."""
    from gan_zoo import registry, validation
    from gan_zoo.cli.printing import print_line

    variant = registry.get(name)
    failures = []
    for check_name, check in validation.CHECKS.items():
        what = (check.__doc__ or "").partition("\n")[0]
        if check is validation.label_changes_image and variant.conditioning == "none":
            print_line(f"     -  {check_name}: not applicable: the variant gets no labels")
            continue
        try:
            check(variant)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            why = one_line(error)
            if isinstance(error, (validation.Broken, GanZooError)):
                why = why.removeprefix(f"{type(error).__name__}: ")
            failures.append(f"{check_name}: {why}")
            print_line(f"FAILED  {check_name}: {what}")
            if check is validation.shapes:
                break  # the others would fail by it
        else:
            print_line(f"    ok  {check_name}: {what}")
    if failures:
        raise GanZooError("\n".join(f"variant {name!r} breaks the contract: {line}" for line in failures))
