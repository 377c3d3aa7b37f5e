"""A variant file to start from, and the checks that every variant passes."""

import keyword
from pathlib import Path

from gan_zoo.cli import index
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_write
from gan_zoo.options import FLOOR

TEMPLATE = '''"""{title}: what it is, and its paper."""

from torch import nn
from torch.nn.functional import softplus

from gan_zoo.latent import normal
from gan_zoo.losses import Objective, Result
from gan_zoo.registry import register
from gan_zoo.variant import Spec, Variant


def networks(spec: Spec, *, width: int) -> tuple[nn.Module, nn.Module]:
    """A generator from latents (B, spec.latent) to samples (B, *spec.shape) in [-1, 1]; a discriminator to (B,)."""
    size = spec.shape[0] * spec.shape[1] * spec.shape[2]
    generator = nn.Sequential(
        nn.Linear(spec.latent, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, size), nn.Tanh(), nn.Unflatten(1, spec.shape),
    )
    discriminator = nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Linear(width, 1), nn.Flatten(0),
    )
    return generator, discriminator


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
def {name}(*, width: int = 256) -> Variant:
    return Variant(
        title="{title}",
        paper="arXiv 0000.00000",
        networks=lambda spec: networks(spec, width=width),
        objective=objective(),
        latent=normal(64),
        deviations=("how it differs from its paper",),
    )
'''
_USED = ("networks", "objective", "nn", "softplus", "normal", "Objective", "Result", "register", "Spec", "Variant")
"""Names that the template uses for other things."""


def write_variant(name: str, path: Path) -> Path:
    """Write the file, or raise GanZooError for a name that does not fit or is taken, or a file that exists."""
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii() or name in _USED:
        raise GanZooError(f"{name!r} cannot name a variant: use letters, digits and underscores, e.g. my_gan")
    if name in {*index.names(None), FLOOR}:
        raise GanZooError(f"variant {name!r} is there already; choose another name (`gan-zoo list` shows those taken)")
    if path.exists():
        raise GanZooError(f"{str(path)!r} exists already; nothing was written. Name another file with --out")
    atomic_write(path, TEMPLATE.format(name=name, title=name.replace("_", " ")))
    return path


def check_variant(name: str) -> None:
    """Run the checks that every variant passes over one, or raise GanZooError with those that fail."""
    from gan_zoo import registry, validation
    from gan_zoo.cli.console import print_line

    variant = registry.get(name)
    failures = []
    for check_name, check in validation.CHECKS.items():
        try:
            check(variant)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            why = one_line(error)
            if isinstance(error, (validation.Broken, GanZooError)):
                why = why.removeprefix(f"{type(error).__name__}: ")
            failures.append(f"{check_name}: {why}")
            print_line(f"FAILED  {check_name}")
        else:
            print_line(f"    ok  {check_name}")
    if failures:
        raise GanZooError("\n".join(f"variant {name!r} breaks the contract: {line}" for line in failures))
