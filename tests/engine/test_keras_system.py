"""S8: the engine against a plain loop in torch, written out as SYSTEMS.md has it, in float64 at a small width.

The loop shares nothing with gan_zoo but random numbers: targets, fresh latents and dropout are drawn from copies of the
engine's generators.
"""

import math
from dataclasses import replace

import pytest
import torch
from reference_networks import s8
from states import largest_error, least_move, parameters, random_batches, train_on

from gan_zoo.engine import init
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import get
from gan_zoo.validation import random_data

BATCH, STEPS = 4, 20


def _truncated(n, size, low, high, random):
    """A standard normal given that it lies within, by inversion."""
    below, above = torch.special.ndtr(torch.tensor([low, high], dtype=torch.float64))
    share = torch.rand(n, size, generator=random, dtype=torch.float64)
    return torch.special.ndtri(below + share * (above - below))


class _SharedAdam:
    """One Adam of Keras 2 for both players: one count of iterations, moments of each parameter's own."""

    def __init__(self, decay):
        self.decay, self.iterations, self.moments = decay, 0, {}

    def step(self, loss, parameters):
        parameters = list(parameters)
        gradients = torch.autograd.grad(loss, parameters)
        rate = 2e-4 / (1 + self.decay * self.iterations)
        self.iterations += 1
        rate *= math.sqrt(1 - 0.999**self.iterations) / (1 - 0.5**self.iterations)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                m, v = self.moments.get(parameter, (0.0, 0.0))
                m, v = 0.5 * m + 0.5 * gradient, 0.999 * v + 0.001 * gradient**2
                self.moments[parameter] = m, v
                parameter -= rate * m / (v.sqrt() + 1e-7)


class _Keras:
    """S8: one batch of real samples and fakes of G in evaluation mode, noisy targets; then G on twice as many fakes."""

    def __init__(self, state, dropout, decay):
        self.generator, self.discriminator = (network.double() for network in s8(2, dropout))
        for plain, ours in zip((self.generator, self.discriminator), state.networks, strict=True):
            values = [value.clone() for value in ours.state_dict().values()]
            plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
        self.noise, self.latent = torch.Generator(), torch.Generator()
        self.noise.set_state(state.random["noise"].get_state())
        self.latent.set_state(state.random["latent"].get_state())
        self.adam = _SharedAdam(decay)

    def entropy(self, images, targets):
        p = torch.sigmoid(self.discriminator(images).flatten()).clamp(1e-7, 1 - 1e-7)
        return -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()

    def step(self, batch):
        """Train both players once; returns the discriminator's loss and the generator's."""
        self.generator.eval()
        fake = self.generator(batch.fakes.latent).detach()
        self.generator.train()
        targets = _truncated(BATCH, 1, 0.7, 1.2, self.noise), _truncated(BATCH, 1, 0.0, 0.3, self.noise)
        loss_d = self.entropy(torch.cat([batch.real, fake]), torch.cat(targets).flatten())
        self.adam.step(loss_d, self.discriminator.parameters())
        fake = self.generator(_truncated(2 * BATCH, 100, -1.0, 1.0, self.latent))
        loss_g = self.entropy(fake, _truncated(2 * BATCH, 1, 0.7, 1.2, self.noise).flatten())
        self.adam.step(loss_g, self.generator.parameters())
        return loss_d.item(), loss_g.item()


def _variant(decay, dropout):
    adam = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=decay), "betas": (0.5, 0.999), "eps": 1e-7})
    variant = get("dcgan_keras", width=2, dropout=dropout)
    assert decay != 1e-8 or (variant.generator_optimizer, variant.discriminator_optimizer) == (adam, adam)
    sizes = {"batch_size": BATCH, "fake_batch_size": BATCH, "generator_batch_size": 2 * BATCH}
    return replace(variant, generator_optimizer=adam, discriminator_optimizer=adam, **sizes)


@pytest.mark.parametrize(("dropout", "decay"), [(0.0, 1e-8), (0.4, 1e-8), (0.4, 0.5)])
def test_the_engine_equals_the_keras_loop(dropout, decay):
    """Losses, parameters and running statistics; dropout masks come from torch's default generator, in the state that
    the engine begins with. With torch's place of epsilon the losses would differ by 1e-4."""
    variant = _variant(decay, dropout)
    state = init(variant, random_data(28, n=8), seed=3, dtype=torch.float64)
    before = [p.detach().clone() for p in parameters(state)]
    loop, batches = _Keras(state, dropout, decay), list(random_batches(variant, STEPS, BATCH, (1, 28, 28)))
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(state.default_random)
        losses = [loop.step(batch) for batch in batches]
    train_on(state, batches, STEPS)
    recorded = torch.cat(state.history.pending)
    for player, values in zip(("discriminator", "generator"), zip(*losses, strict=True), strict=True):
        ours = recorded[:, state.history.names.index(f"{player}_loss")]
        assert ours.tolist() == pytest.approx(values, abs=1e-6)
    assert largest_error(state, (loop.generator, loop.discriminator)) <= 1e-11
    assert least_move(state, before) > 1e-4


def test_the_keras_batches_are_of_the_sizes_that_its_author_set():
    """As many fakes as real images in the discriminator's batch (None), and twice as many for the generator."""
    variant = get("dcgan_keras")
    assert (variant.batch_size, variant.fake_batch_size, variant.generator_batch_size) == (128, None, 256)
    assert (variant.sampling, variant.concat_real_fake, variant.fakes_in_eval) == ("replacement", True, True)
    assert str(variant.latent) == "100 truncated_normal [-1, 1]"
