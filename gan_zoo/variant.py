"""A variant: everything that makes one GAN differ from another, as one frozen record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from gan_zoo.errors import GanZooError, check_known, shown, unknown
from gan_zoo.latent import Latent, uniform
from gan_zoo.losses import Objective
from gan_zoo.losses.penalties import Penalty
from gan_zoo.optimizer import Optimizer, Schedule


class Networks(NamedTuple):
    """A generator and a discriminator.

    ``generator(latent)`` or ``generator(latent, labels)`` returns samples in [-1, 1]; ``discriminator(samples)`` or
    ``discriminator(samples, labels)`` returns one score a sample (a logit, not a probability), or a
    ``DiscriminatorOutput``.
    """

    generator: nn.Module
    discriminator: nn.Module


NORMS = ("batch", "layer", "none")
"""Normalization layers of a network."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The arguments of a network family.

    Attributes:
        shape: of a sample, (C, H, W) or (D,).
        latent: values of a latent vector.
        generator_classes, discriminator_classes: classes whose labels are an input of the network; 0: none.
        packing: samples in each input of the discriminator, stacked along the channels.
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
    def discriminator_input_shape(self) -> tuple[int, ...]:
        """Shape of a sample, with ``packing`` times the channels."""
        return (self.shape[0] * self.packing, *self.shape[1:])


GROUPS = ("systems of the articles", "losses", "gradient penalties", "labels and codes", "autoencoders")
"""Groups of the variants of this package, in the order of ``gan-zoo list``."""


def _generator_parameters(networks: Networks) -> list[nn.Parameter]:
    return list(networks.generator.parameters())


def _discriminator_parameters(networks: Networks) -> list[nn.Parameter]:
    return list(networks.discriminator.parameters())


def _default_weights(_module: nn.Module) -> None:
    """PyTorch's default initialization."""


def _normal_weights(module: nn.Module) -> None:
    """Weights of linear and convolution layers from N(0, 0.02) (Radford et al. 2016, arXiv 1511.06434, section 4)."""
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.normal_(module.weight, 0.0, 0.02)


def _tutorial_weights(module: nn.Module) -> None:
    """N(0, 0.02) weights, batch norm gains from N(1, 0.02) and shifts of 0 (PyTorch's DCGAN tutorial)."""
    _normal_weights(module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def _glorot_weights(module: nn.Module) -> None:
    """Weights of linear and convolution layers after Glorot and Bengio 2010, eq. 16; biases of 0 (Keras's own)."""
    if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


INITIALIZATIONS: dict[str, Callable[[nn.Module], None]] = {
    "default": _default_weights,
    "normal 0.02": _normal_weights,
    "normal 0.02, gains too": _tutorial_weights,
    "glorot uniform": _glorot_weights,
}


class SpectralNorm(_SpectralNorm):
    """torch's spectral normalization, in the weight's own precision: autocast would round its norm to bfloat16."""

    def forward(self, weight: Tensor) -> Tensor:
        """The weight over its largest singular value."""
        with torch.autocast(weight.device.type, enabled=False):
            normalized: Tensor = super().forward(weight)
        return normalized


def spectral(network: nn.Module) -> None:
    """Spectral normalization of every layer's weight (Miyato et al. 2018, arXiv 1802.05957, algorithm 1)."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)):
            if not module.weight.any():
                module.reset_parameters()  # a weight of zero cannot be divided by its norm
            outputs = 1 if isinstance(module, nn.modules.conv._ConvTransposeNd) else 0
            norm = SpectralNorm(module.weight, dim=outputs)
            nn.utils.parametrize.register_parametrization(module, "weight", norm)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One GAN, ready to be trained by the engine. Architecture, conditioning, objective and latent are orthogonal.

    A variant of a variant is ``dataclasses.replace(get("cgan"), objective=..., title=..., paper=...)``.

    Attributes:
        title: short name in tables.
        paper: source, e.g. ``arXiv 1406.2661``.
        networks: builds generator and discriminator from a ``Spec``.
        objective: the adversarial losses.
        penalties: terms added to the discriminator's loss.
        latent: size and distribution of the latent vector.
        conditioning: networks that take the labels; ``projection``: both, the discriminator by the inner product
            of its features with the label's embedding.
        heads: further outputs of the discriminator by name: ``label`` (a score a class), or parts of the latent.
        autoencoder: 0, or 1 or 2: the discriminator is an autoencoder, its score the mean of |error|^autoencoder.
        norm: of the discriminator, ``batch``, ``layer``, ``spectral`` or ``none``; None: that of its family.
        generator_norm: of the generator, ``batch``, ``layer`` or ``none``; None: that of its family.
        generator_optimizer, discriminator_optimizer: optimizer and settings of each side.
        shared_step_count: one count of optimizer steps for both players, as with one Adam object in Keras 2: a step of
            either advances the bias correction and the schedules of both. Both optimizers must be ``KerasAdam``.
        generator_trains, discriminator_trains: the parameters that each side's optimizer steps.
        discriminator_steps, generator_steps: optimizer steps of each side in an iteration.
        batch_size: real samples in a discriminator step.
        fake_batch_size: fakes in a discriminator step; None: as many as real samples, with their labels.
        generator_batch_size: fresh fakes for a generator step; None: the discriminator's last fakes again.
        sampling: ``epoch`` (every sample once an epoch, the last batch smaller) or ``replacement``.
        packing: samples in each input of the discriminator (Lin et al. 2018, arXiv 1712.04086).
        concat_real_fake: real and fake samples are one batch in the discriminator's step, not two.
        fakes_in_eval: the discriminator's fakes are made with the generator in evaluation mode.
        after_discriminator_step: called with the discriminator, e.g. to clip its weights.
        image_side: side in pixels that images are resized to.
        initialization: name of a weight initialization in ``INITIALIZATIONS``; a network with an attribute
            ``initialized`` keeps the weights that its family gave it.
        ema: decay a generator step of an exponential moving average of the generator, which is then sampled; None: no
            average.
        deviations: every deviation from its paper.
        group: heading of ``gan-zoo list``.
        name, options: how the registry made it; set by ``registry.get``.
        label: name in the tables of a suite; empty: its name.
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
    concat_real_fake: bool = False
    fakes_in_eval: bool = False
    after_discriminator_step: Callable[[nn.Module], None] | None = None
    image_side: int = 32
    initialization: str = "default"
    ema: float | Schedule | None = None
    deviations: tuple[str, ...] = ()
    group: str = "others"
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        self._check_types()
        for count in ("discriminator_steps", "generator_steps", "packing"):
            self._check_between(count, 1, 10_000)
        self._check_between("image_side", 1, 4096)
        for size in ("batch_size", "fake_batch_size", "generator_batch_size"):
            self._check_between(size, 2 * self.packing, 1_000_000)
        ema = self.ema.start if isinstance(self.ema, Schedule) else self.ema
        if ema is not None and not 0 < ema < 1:
            raise self._error(f"ema is {ema}; a decay lies between 0 and 1")
        if self.packing > 1 and self.heads:
            raise self._error(f"a pack has no one {self.heads[0]!r}; use packing = 1")
        if self.packing > 1 and self.discriminator_is_conditional:
            raise self._error("a pack has no one label; use packing = 1 or conditioning = 'generator'")
        optimizers = self.discriminator_optimizer.name, self.generator_optimizer.name
        if self.shared_step_count and set(optimizers) != {"KerasAdam"}:
            raise self._error(
                f"shared_step_count is True with {' and '.join(optimizers)}; use KerasAdam for both players, or set "
                "shared_step_count to False"
            )

    def _check_types(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                given = f"{shown(value)} ({type(value).__name__})"
                raise self._error(f"{name} is {given}; it must be of type {kind.__name__}")
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise unknown(f"{name} of variant {self.name or self.title!r}", str(value), map(str, allowed))
        for text in (self.title, self.paper, self.group, *self.deviations):
            if not isinstance(text, str) or len(text) > 5_000:
                raise self._error(f"{shown(text)} is no text of at most 5,000 characters; shorten it")
        check_known("initialization", self.initialization, INITIALIZATIONS)

    def _check_between(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if value is not None and (type(value) is not int or not least <= value <= most):
            given = shown(value)
            raise self._error(f"{name} is {given}; it must be an integer of at least {least}, and at most {most:,}")

    def _error(self, message: str) -> GanZooError:
        return GanZooError(f"{self.name or self.title}: {message}")

    @property
    def display_name(self) -> str:
        """What tables call it."""
        return self.label or self.name

    @property
    def discriminator_is_conditional(self) -> bool:
        """Whether the labels are an input of the discriminator."""
        return self.conditioning in ("both", "projection")

    @property
    def scheduled(self) -> bool:
        """Whether a setting of the training follows a schedule."""
        optimizers = self.generator_optimizer.scheduled or self.discriminator_optimizer.scheduled
        return optimizers or isinstance(self.ema, Schedule) or any(penalty.scheduled for penalty in self.penalties)

    @property
    def reuses_fakes(self) -> bool:
        """Whether the generator's step uses the fakes of the discriminator's last step."""
        return self.generator_batch_size is None and not self.fakes_in_eval

    def spec(self, shape: tuple[int, ...], classes: int) -> Spec:
        """The arguments of the networks for samples of ``shape`` with ``classes`` classes.

        Raises:
            GanZooError: a head that is neither ``label`` nor a part of the latent.
        """
        parts = {part.name: part.size for part in self.latent.parts}
        sizes = {"label": classes, **parts}
        if lost := [head for head in self.heads if head not in sizes]:
            raise GanZooError(
                f"variant {self.display_name or self.title!r}: the latent {str(self.latent)!r} has no part "
                f"{lost[0]!r}, only {', '.join(parts)}; name the parts, or keep the variant's own latent"
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
                f"variant {self.display_name or self.title!r} needs labels, and the data set has none: use a labelled "
                "one (a folder of images needs one sub-folder a class), or a variant without labels, e.g. nsgan"
            )
        networks = Networks(*self.networks(self.spec(shape, classes)))
        normalized = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in networks.discriminator.modules())
        for penalty in self.penalties:
            if penalty.per_sample and normalized:
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


_CHOICES: dict[str, tuple[Any, ...]] = {
    "conditioning": ("none", "generator", "both", "projection"),
    "sampling": ("epoch", "replacement"),
    "norm": (None, *NORMS, "spectral"),
    "generator_norm": (None, *NORMS),
    "autoencoder": (0, 1, 2),
}
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
    "concat_real_fake": bool,
    "fakes_in_eval": bool,
    "deviations": tuple,
    "group": str,
}
