"""Variants of the field: the engine against plain loops in torch, written after their papers, in float64.

The networks are the same objects' copies; batches are injected. Noise is drawn from copies of the engine's generators.
"""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from gan_zoo.engine import Batch, Fakes, advance, init
from gan_zoo.networks.mlp import mlp
from gan_zoo.registry import get
from gan_zoo.validation import random_data

BATCH, ROUNDS, CLASSES = 6, 8, 10


def _state(name):
    """A variant on small networks, its own norms kept, in float64."""
    networks = partial(mlp, generator=(8,), discriminator=(8, 6))
    variant = replace(get(name), networks=networks, batch_size=BATCH, image_side=4)
    return init(variant, random_data(4, n=12), seed=1, dtype=torch.float64)


def _batches(state, count):
    random = torch.Generator().manual_seed(5)
    for _ in range(count):
        real = torch.rand(BATCH, 1, 4, 4, generator=random, dtype=torch.float64) * 2 - 1
        labels = torch.randint(CLASSES, (BATCH,), generator=random)
        latent = state.variant.latent.draw(BATCH, random=random, dtype=torch.float64)
        yield Batch(real, labels, Fakes(latent, labels if state.variant.conditioning != "none" else None))


class _Loop:
    """Copies of both networks, their optimizers as the paper has them, and rounds of ``steps`` critic batches."""

    steps = 1

    def __init__(self, state):
        self.g, self.d = copy.deepcopy(state.networks)
        self.noise = torch.Generator()
        self.noise.set_state(state.random["noise"].get_state())
        self.adam(2e-4, (0.5, 0.999))

    def adam(self, rate, betas, g_rate=None):
        settings = {"betas": betas, "foreach": False}
        self.step_d = torch.optim.Adam(self.d.parameters(), lr=rate, **settings)
        self.step_g = torch.optim.Adam(self.g.parameters(), lr=g_rate or rate, **settings)

    def fake(self, batch):
        return self.g(batch.fakes.latent, batch.fakes.labels)

    def round(self, batches):
        for batch in batches:
            fake = self.fake(batch)
            self.step_d.zero_grad()
            self.critic_loss(batch, fake.detach()).backward()
            self.step_d.step()
            self.after()
        self.step_g.zero_grad()
        self.generator_loss(batch, fake).backward()
        self.step_g.step()
        self.finish()

    def after(self):
        pass

    def finish(self):
        pass

    def uniform(self, *shape):
        return torch.rand(*shape, generator=self.noise, dtype=torch.float64)

    def slope(self, points):
        points = points.detach().requires_grad_()
        return torch.autograd.grad(self.d(points).sum(), points, create_graph=True)[0].flatten(1)


class _Wgan(_Loop):
    steps = 5

    def __init__(self, state):
        super().__init__(state)
        self.step_d = torch.optim.RMSprop(self.d.parameters(), lr=5e-5, foreach=False)
        self.step_g = torch.optim.RMSprop(self.g.parameters(), lr=5e-5, foreach=False)

    def critic_loss(self, batch, fake):
        return self.d(fake).mean() - self.d(batch.real).mean()

    def generator_loss(self, _batch, fake):
        return -self.d(fake).mean()

    def after(self):
        with torch.no_grad():
            for weight in self.d.parameters():
                weight.copy_(weight.clamp(-0.01, 0.01))


class _WganGp(_Wgan):
    def __init__(self, state):
        super().__init__(state)
        self.adam(1e-4, (0.0, 0.9))

    def critic_loss(self, batch, fake):
        share = self.uniform(BATCH, 1, 1, 1)
        slope = self.slope(share * batch.real + (1 - share) * fake)
        return super().critic_loss(batch, fake) + 10 * ((slope.square().sum(1).sqrt() - 1) ** 2).mean()

    def after(self):
        pass


class _Dragan(_Loop):
    def critic_loss(self, batch, fake):
        around = batch.real + 0.5 * batch.real.std() * self.uniform(*batch.real.shape)
        length = self.slope(around).square().sum(1).sqrt()
        told = F.softplus(-self.d(batch.real)).mean() + F.softplus(self.d(fake)).mean()
        return told + 10 * ((length - 1) ** 2).mean()

    def generator_loss(self, _batch, fake):
        return F.softplus(-self.d(fake)).mean()


class _R1(_Dragan):
    def critic_loss(self, batch, fake):
        told = F.softplus(-self.d(batch.real)).mean() + F.softplus(self.d(fake)).mean()
        return told + 10 / 2 * self.slope(batch.real).square().sum(1).mean()


class _R3(_Loop):
    def __init__(self, state):
        super().__init__(state)
        self.adam(2e-4, (0.0, 0.99))
        self.average = copy.deepcopy(self.g)

    def critic_loss(self, batch, fake):
        slopes = sum(self.slope(points).square().sum(1).mean() for points in (batch.real, fake))
        return F.softplus(self.d(fake) - self.d(batch.real)).mean() + slopes / 2

    def generator_loss(self, batch, fake):
        return F.softplus(self.d(batch.real) - self.d(fake)).mean()

    def finish(self):
        for kept, weight in zip(self.average.parameters(), self.g.parameters(), strict=True):
            kept.data = 0.999 * kept.data + 0.001 * weight.data


class _Acgan(_Loop):
    def told(self, samples, labels, sign):
        said = self.d(samples)
        return F.softplus(sign * said.score).mean() + F.cross_entropy(said.extra["label"], labels)

    def critic_loss(self, batch, fake):
        return self.told(batch.real, batch.labels, -1) + self.told(fake, batch.labels, 1)

    def generator_loss(self, batch, fake):
        return self.told(fake, batch.labels, -1)


class _Infogan(_Loop):
    """Latents are 62 values, 10 of a class, 2 of style."""

    def __init__(self, state):
        super().__init__(state)
        self.adam(2e-4, (0.5, 0.999), g_rate=1e-3)

    def information(self, batch, said):
        category, style = batch.fakes.latent[:, 62:72], batch.fakes.latent[:, 72:]
        named = -(category * said.extra["category"].log_softmax(1)).sum(1).mean()
        return named + (said.extra["style"] - style).square().sum(1).mean() / 2

    def critic_loss(self, batch, fake):
        said = self.d(fake)
        told = F.softplus(-self.d(batch.real).score).mean() + F.softplus(said.score).mean()
        return told + self.information(batch, said)

    def generator_loss(self, batch, fake):
        said = self.d(fake)
        return F.softplus(-said.score).mean() + self.information(batch, said)


class _Began(_Loop):
    def __init__(self, state):
        super().__init__(state)
        self.adam(1e-4, (0.5, 0.999))
        self.k = 0.0

    def error(self, x):
        return (x - self.d.decoder(self.d.encoder(x.flatten(1)))).abs().mean()

    def critic_loss(self, batch, fake):
        on_real = self.error(batch.real)
        self.real = on_real.item()
        return on_real - self.k * self.error(fake)

    def generator_loss(self, _batch, fake):
        on_fake = self.error(fake)
        self.k = min(1.0, max(0.0, self.k + 0.001 * (0.5 * self.real - on_fake.item())))
        return on_fake


class _Hinge(_Wgan):
    steps = 1

    def __init__(self, state):
        super().__init__(state)
        self.adam(2e-4, (0.5, 0.999))

    def critic_loss(self, batch, fake):
        return (1 - self.d(batch.real)).clamp(min=0).mean() + (1 + self.d(fake)).clamp(min=0).mean()

    def after(self):
        pass


LOOPS = {
    "wgan": _Wgan,
    "wgan_gp": _WganGp,
    "dragan": _Dragan,
    "r1gan": _R1,
    "r3gan": _R3,
    "acgan": _Acgan,
    "infogan": _Infogan,
    "began": _Began,
    "hinge": _Hinge,
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_engine_equals_the_plain_loop(name):
    """Every critic step has a batch of its own, and the generator learns from the last one's fakes."""
    state = _state(name)
    loop = LOOPS[name](state)
    before = [p.detach().clone() for network in state.networks for p in network.parameters()]
    batches = list(_batches(state, ROUNDS * loop.steps))
    for start in range(0, len(batches), loop.steps):
        loop.round(batches[start : start + loop.steps])
    given = iter(batches)
    advance(state, ROUNDS, draw=lambda _state: next(given))
    assert next(given, None) is None
    ours = [p for network in state.networks for p in network.parameters()]
    plain = [p for network in (loop.g, loop.d) for p in network.parameters()]
    for a, b in zip(ours, plain, strict=True):
        assert (a - b).abs().max().item() <= 1e-11 * max(1.0, b.abs().max().item())
    moved = [(a - b).abs().max().item() for a, b in zip(ours, before, strict=True) if a.dim() > 1]
    assert min(moved) > 1e-4
    if name == "wgan":
        assert all(p.abs().max() <= 0.01 for p in state.networks.discriminator.parameters())
    if name == "began":
        assert state.objective["k"].item() == pytest.approx(loop.k, rel=1e-12)
    if name == "r3gan":
        for a, b in zip(state.ema.parameters(), loop.average.parameters(), strict=True):
            assert (a - b).abs().max().item() <= 1e-12
