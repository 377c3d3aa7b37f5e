"""What a step of the engine has to compute and to move, counted by layer from the variant's own networks."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_zoo.data import Dataset, Split
from gan_zoo.engine import advance, init
from gan_zoo.optimizer import Optimizer
from gan_zoo.variant import Variant

_TRANSPOSED = nn.modules.conv._ConvTransposeNd
_NORM = nn.modules.batchnorm._BatchNorm
_COUNTED = (nn.Linear, nn.modules.conv._ConvNd, _NORM)
_OPTIMIZER_PASSES = {"Adam": 7, "AdamW": 7, "RMSprop": 5, "SGD": 3}
"""How often each parameter's worth of float32 is read or written: Adam reads p, g, m, v and writes p, m, v."""


@dataclass(frozen=True)
class Cost:
    """What a step takes, by the mathematics.

    Attributes:
        flops: floating-point operations of products and convolutions, two for a multiplication and its addition.
        activations: values moved of what layers put out; activation functions are counted as done on the way.
        weights: values moved of the weights that products and convolutions read, and of the gradients they write.
        optimizer: bytes that the optimizers read and write, in float32; None for one that is not known here.
    """

    flops: float
    activations: float
    weights: float
    optimizer: int | None

    def bytes_moved(self, value: int) -> float:
        """Bytes a step, with activations and weights of ``value`` bytes each."""
        return (self.activations + self.weights) * value + (self.optimizer or 0)


class _Pass(NamedTuple):
    """One way through a network, back included: per sample, but for the weights."""

    flops: float
    activations: float
    weights: float


def cost(variant: Variant, shape: tuple[int, ...], classes: int) -> Cost:
    """What a step (a round) on full batches takes, for samples of ``shape``. Penalties are not counted."""
    generator, discriminator = networks = variant.build(shape, classes)
    real, fake = variant.batch_size, variant.fake_batch_size or variant.batch_size
    fresh, reused = variant.generator_batch_size or fake, int(variant.reuses_fakes)
    latent = variant.latent.draw(2, random=torch.Generator(), dtype=torch.float32)
    spec, labels = variant.spec(shape, classes), torch.zeros(2, dtype=torch.int64)
    drawing = (latent, labels)[: 1 + bool(spec.generator_classes)]
    judging = (torch.zeros(2, *spec.discriminator_input_shape), labels)[: 1 + bool(spec.discriminator_classes)]
    with torch.no_grad():
        idle = _through(generator, *drawing)
    draws, learns = _through(generator, *drawing), _through(discriminator, *judging)
    judges = _through(discriminator.requires_grad_(False), judging[0].requires_grad_(), *judging[1:])
    rounds = variant.discriminator_steps, variant.generator_steps
    passes = (
        (idle, fake, rounds[0] - reused),
        (learns, real // variant.packing, rounds[0]),
        (learns, fake // variant.packing, rounds[0]),
        (draws, fresh, rounds[1]),
        (judges, fresh // variant.packing, rounds[1]),
    )
    generator_bytes = _optimizer_bytes(variant.generator_optimizer, networks.generator)
    discriminator_bytes = _optimizer_bytes(variant.discriminator_optimizer, networks.discriminator)
    known = generator_bytes is not None and discriminator_bytes is not None
    return Cost(
        flops=sum(one.flops * samples * times for one, samples, times in passes),
        activations=sum(one.activations * samples * times for one, samples, times in passes),
        weights=sum(one.weights * times for one, _, times in passes),
        optimizer=rounds[1] * generator_bytes + rounds[0] * discriminator_bytes if known else None,
    )


def measured_flops(variant: Variant, shape: tuple[int, ...], classes: int) -> int:
    """What torch's own counter sees in one real step of the engine, on the CPU, on a full batch of noise."""
    images = torch.randint(0, 256, (variant.batch_size, *shape), dtype=torch.uint8)
    split = Split(images, torch.arange(variant.batch_size) % max(classes, 1))
    names = tuple(str(number) for number in range(classes))
    noise = Dataset("noise", "Noise", split, split, classes, names, extractor="", fingerprint="")
    state = init(variant, noise, 0)
    with FlopCounterMode(display=False) as counter:
        advance(state, 1)
    return counter.get_total_flops()


def _through(network: nn.Module, *inputs: Tensor) -> _Pass:
    """Count one pass of two samples, as its gradients would be asked for."""
    sums = [0.0, 0.0, 0.0]

    def tally(layer: nn.Module, received: tuple[Tensor, ...], output: Tensor) -> None:
        into, backward = received[0], output.requires_grad
        # Written, and read by the next layer; going back it is read again, and its gradient written and read.
        sums[1] += output[0].numel() * (5 if backward else 2)
        if not isinstance(layer, _NORM):
            products = 1 + (backward and layer.weight.requires_grad) + (backward and into.requires_grad)
            sums[0] += products * _forward_flops(layer, into, output) / len(output)
            sums[2] += products * layer.weight.numel()

    layers = [layer for layer in network.modules() if isinstance(layer, _COUNTED)]
    hooks = [layer.register_forward_hook(tally) for layer in layers]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return _Pass(*sums)


def _forward_flops(layer: nn.Module, into: Tensor, output: Tensor) -> int:
    """Two for each weight, wherever it is applied."""
    if isinstance(layer, nn.Linear):
        return 2 * layer.weight.numel() * (output.numel() // layer.out_features)
    places = into if isinstance(layer, _TRANSPOSED) else output
    return 2 * layer.weight.numel() * (places.numel() // places.shape[1])


def _optimizer_bytes(optimizer: Optimizer, network: nn.Module) -> int | None:
    """Bytes of one step of an optimizer over a network's parameters."""
    passes = _OPTIMIZER_PASSES.get(optimizer.name)
    return None if passes is None else passes * 4 * sum(p.numel() for p in network.parameters())
