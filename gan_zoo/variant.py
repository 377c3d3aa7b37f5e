"""A variant: everything that makes one GAN differ from another, as one frozen record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from torch import nn

from gan_zoo.errors import GanZooError, unknown
from gan_zoo.initialization import INITIALIZATIONS, spectral
from gan_zoo.latent import Latent, uniform
from gan_zoo.losses import Objective
from gan_zoo.losses.penalties import Penalty
from gan_zoo.optimizer import Optimizer


class Networks(NamedTuple):
    """A generator and a discriminator.

    ``generator(latent)`` or ``generator(latent, labels)`` gives samples in [-1, 1]; ``discriminator(samples)`` or
    ``discriminator(samples, labels)`` gives one score a sample (a logit, not a probability), or a ``Critique``.
    """

    generator: nn.Module
    discriminator: nn.Module


NORMS = ("batch", "layer", "none")
"""What may stand between a network's layers."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a network family is told.

    Attributes:
        shape: of a sample, (C, H, W) or (D,).
        latent: values of a latent vector.
        generator_classes, discriminator_classes: classes whose labels are an input of the network; 0: none.
        packing: the discriminator judges packs of so many samples, stacked along the channels.
        projection: classes whose embedding is projected on the discriminator's features; 0: none.
        heads: further outputs of the discriminator, sizes by name.
        autoencoder: 0, or the power of an autoencoding discriminator's error.
        norm, generator_norm: a name of ``NORMS`` for each network; None: the family's own.
    """

    shape: tuple[int, ...]
    latent: int
    generator_classes: int = 0
    discriminator_classes: int = 0
    packing: int = 1
    projection: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)
    autoencoder: int = 0
    norm: str | None = None
    generator_norm: str | None = None

    @property
    def judged_shape(self) -> tuple[int, ...]:
        """Shape of what the discriminator judges: the sample's, with ``packing`` times the channels."""
        return (self.shape[0] * self.packing, *self.shape[1:])


GROUPS = ("systems of the articles", "losses", "gradient penalties", "labels and codes", "autoencoders")
"""What the variants of this package are listed under, in this order."""


def _generator_parameters(networks: Networks) -> list[nn.Parameter]:
    return list(networks.generator.parameters())


def _discriminator_parameters(networks: Networks) -> list[nn.Parameter]:
    return list(networks.discriminator.parameters())


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One GAN, ready to be trained by the engine. Architecture, conditioning, objective and latent are orthogonal.

    A variant of a variant is ``dataclasses.replace(get("cgan"), objective=..., title=..., paper=...)``.

    Attributes:
        title: a short name for people.
        paper: where it comes from, e.g. ``arXiv 1406.2661``.
        networks: builds generator and discriminator from a ``Spec``.
        objective: the adversarial losses.
        penalties: terms added to the discriminator's loss.
        latent: size and distribution of the latent vector.
        conditioning: which networks are given the labels; ``projection``: both, the discriminator by the inner product
            of its features with the label's embedding.
        heads: further outputs of the discriminator by name: ``label`` (a score a class), or parts of the latent.
        autoencoder: 0, or 1 or 2: the discriminator is an autoencoder, its score the mean of |error|^autoencoder.
        norm: what normalizes the discriminator, ``batch``, ``layer``, ``spectral`` or ``none``; None: its family's own.
        generator_norm: ``batch``, ``layer`` or ``none`` between the generator's layers; None: its family's own.
        generator_optimizer, discriminator_optimizer: optimizer and settings of each side.
        shared_step_count: the players share one count of optimizer steps, as with one Adam object in Keras 2: a step of
            either advances the count that decides the bias correction and the decay of both. Moments stay each
            player's own. Both optimizers must be ``KerasAdam``.
        generator_trains, discriminator_trains: the parameters that each side's optimizer steps.
        discriminator_steps, generator_steps: optimizer steps of each side in a round.
        batch_size: real samples in a discriminator step.
        fake_batch_size: fakes in a discriminator step; None: as many as real samples, with their labels.
        generator_batch_size: fresh fakes for a generator step; None: the discriminator's last fakes again.
        sampling: ``epoch`` (every sample once an epoch, the last batch smaller) or ``replacement``.
        packing: samples judged together (Lin et al. 2018, arXiv 1712.04086); 1: each alone.
        joint: real and fake pass through the discriminator as one batch in its own step, not as two.
        fakes_in_eval: the discriminator's fakes are made with the generator in evaluation mode.
        after_discriminator_step: called with the discriminator, e.g. to clip its weights.
        image_side: side in pixels that images are resized to.
        initialization: name of a weight initialization in ``INITIALIZATIONS``; a network with an attribute
            ``initialized`` keeps the weights that its family gave it.
        ema: decay a generator step of an exponential moving average of the generator, which is then the one sampled;
            None: no average.
        deviations: every way in which it departs from its paper.
        group: what it is listed under.
        name, options: how the registry made it; set by ``registry.get``.
        label: what a suite calls it in its tables; empty: its name.
    """

    title: str
    paper: str
    networks: Callable[[Spec], tuple[nn.Module, nn.Module]]
    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    latent: Latent = field(default_factory=lambda: uniform(100))
    conditioning: Literal["none", "generator", "both", "projection"] = "none"
    heads: tuple[str, ...] = ()
    autoencoder: Literal[0, 1, 2] = 0
    norm: str | None = None
    generator_norm: str | None = None
    generator_optimizer: Optimizer = field(default_factory=Optimizer)
    discriminator_optimizer: Optimizer = field(default_factory=Optimizer)
    shared_step_count: bool = field(default=False, metadata={"omit_default": True})
    generator_trains: Callable[[Networks], list[nn.Parameter]] = _generator_parameters
    discriminator_trains: Callable[[Networks], list[nn.Parameter]] = _discriminator_parameters
    discriminator_steps: int = 1
    generator_steps: int = 1
    batch_size: int = 512
    fake_batch_size: int | None = None
    generator_batch_size: int | None = None
    sampling: Literal["epoch", "replacement"] = "epoch"
    packing: int = 1
    joint: bool = False
    fakes_in_eval: bool = False
    after_discriminator_step: Callable[[nn.Module], None] | None = None
    image_side: int = 32
    initialization: str = "default"
    ema: float | None = None
    deviations: tuple[str, ...] = ()
    group: str = "others"
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                given = f"{getattr(self, name)!r} ({type(getattr(self, name)).__name__})"
                raise GanZooError(f"{self.name or self.title}: {name} is {given}; it must be of type {kind.__name__}")
        for choice, allowed in (
            ("conditioning", ("none", "generator", "both", "projection")),
            ("sampling", ("epoch", "replacement")),
            ("norm", (None, *NORMS, "spectral")),
            ("generator_norm", (None, *NORMS)),
            ("autoencoder", (0, 1, 2)),
        ):
            if getattr(self, choice) not in allowed:
                words = map(str, allowed)
                raise unknown(f"{choice} of variant {self.name or self.title!r}", str(getattr(self, choice)), words)
        if self.initialization not in INITIALIZATIONS:
            raise unknown("initialization", self.initialization, INITIALIZATIONS)
        for count in ("discriminator_steps", "generator_steps", "packing", "image_side"):
            self._at_least(count, 1)
        for size in ("batch_size", "fake_batch_size", "generator_batch_size"):
            self._at_least(size, 2 * self.packing)
        if self.ema is not None and not 0 < self.ema < 1:
            raise GanZooError(f"{self.name or self.title}: ema is {self.ema}; a decay lies between 0 and 1")
        if self.packing > 1:
            self._packs_fit()
        self._step_counts_fit()

    def _step_counts_fit(self) -> None:
        names = self.discriminator_optimizer.name, self.generator_optimizer.name
        if self.shared_step_count and names != ("KerasAdam", "KerasAdam"):
            raise GanZooError(
                f"{self.name or self.title}: shared_step_count is True with {' and '.join(names)}; use KerasAdam for "
                "both players, or set shared_step_count to False"
            )

    def _packs_fit(self) -> None:
        if self.heads:
            raise GanZooError(f"{self.name or self.title}: a pack has no one {self.heads[0]!r}; use packing = 1")
        if self.judges_labels:
            raise GanZooError(
                f"{self.name or self.title}: a pack has no one label; use packing = 1 or conditioning = 'generator'"
            )

    def _at_least(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value is not None and (type(value) is not int or value < least):
            raise GanZooError(
                f"{self.name or self.title}: {name} is {value!r}; it must be an integer of at least {least}"
            )

    @property
    def shown(self) -> str:
        """What tables call it."""
        return self.label or self.name

    @property
    def judges_labels(self) -> bool:
        """Whether the discriminator is given the labels."""
        return self.conditioning in ("both", "projection")

    @property
    def reuses_fakes(self) -> bool:
        """Whether the generator's step may go on from the discriminator's last fakes."""
        return self.generator_batch_size is None and not self.fakes_in_eval

    def spec(self, shape: tuple[int, ...], classes: int) -> Spec:
        """What the networks are told, for samples of ``shape`` with ``classes`` classes.

        Raises:
            GanZooError: a head that is neither ``label`` nor a part of the latent.
        """
        parts = {part.name: part.size for part in self.latent.parts}
        sizes = {"label": classes, **parts}
        if lost := [head for head in self.heads if head not in sizes]:
            raise GanZooError(
                f"variant {self.shown or self.title!r} has a head {lost[0]!r}, and its latent {str(self.latent)!r} no "
                f"part of that name, only {', '.join(parts)}; name the parts, or keep the variant's own latent"
            )
        return Spec(
            shape=shape,
            latent=self.latent.size,
            generator_classes=0 if self.conditioning == "none" else classes,
            discriminator_classes=classes if self.conditioning == "both" else 0,
            packing=self.packing,
            projection=classes if self.conditioning == "projection" else 0,
            heads={head: sizes[head] for head in self.heads},
            autoencoder=self.autoencoder,
            norm="none" if self.norm == "spectral" else self.norm,
            generator_norm=self.generator_norm,
        )

    def build(self, shape: tuple[int, ...], classes: int) -> Networks:
        """Networks for samples of ``shape``, initialized from torch's default random generator.

        Raises:
            GanZooError: conditioning without classes, or batch norm in a discriminator under a per-sample penalty.
        """
        if (self.conditioning != "none" or "label" in self.heads) and classes < 1:
            raise GanZooError(
                f"variant {self.shown or self.title!r} needs labels, and the data set has none: use a labelled one (a "
                "folder of images needs one sub-folder a class), or a variant without labels, e.g. nsgan"
            )
        networks = Networks(*self.networks(self.spec(shape, classes)))
        for penalty in self.penalties:
            if penalty.per_sample and any(
                isinstance(m, nn.modules.batchnorm._BatchNorm) for m in networks.discriminator.modules()
            ):
                raise GanZooError(
                    f"variant {self.name or self.title!r} has batch norm in a discriminator under a {penalty.title}: "
                    "scores would depend on the whole batch; take the batch norm out, or use layer norm"
                )
        for network in networks:
            if not getattr(network, "initialized", False):
                network.apply(INITIALIZATIONS[self.initialization])
        if self.norm == "spectral":
            spectral(networks.discriminator)
        return networks


_KINDS: dict[str, type] = {
    "title": str,
    "paper": str,
    "objective": Objective,
    "penalties": tuple,
    "latent": Latent,
    "generator_optimizer": Optimizer,
    "discriminator_optimizer": Optimizer,
    "shared_step_count": bool,
    "heads": tuple,
    "joint": bool,
    "fakes_in_eval": bool,
    "deviations": tuple,
    "group": str,
}
