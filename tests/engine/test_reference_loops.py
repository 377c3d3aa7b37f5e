"""The engine against plain loops in torch, written after the papers and articles, in float64.

Batches are injected, noise is drawn from copies of the engine's generators. The articles' loops share nothing with
gan_zoo: networks as nn.Sequential, two generator passes a step, for-loop Adam. The others train copies of the networks.
"""

import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from reference_networks import s3, s5, s6, s7
from states import largest_error, least_move, parameters, random_batches, train_on
from torch import nn
from torch.nn import functional as F

from gan_zoo import registry
from gan_zoo.engine import init
from gan_zoo.networks.mlp import mlp
from gan_zoo.validation import random_data


class _Loop:
    """Copies of both networks, the paper's optimizers, and iterations of ``steps`` discriminator batches."""

    steps = 1
    passes = 1

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

    def iteration(self, batches):
        for batch in batches:
            fake = self.fake(batch)
            self.step_d.zero_grad()
            self.discriminator_loss(batch, fake.detach()).backward()
            self.gradients = [p.grad.clone() for p in self.d.parameters()]
            self.step_d.step()
            self.after_discriminator_step()
        self.step_g.zero_grad()
        self.generator_loss(batch, fake if self.passes == 1 else self.fake(batch)).backward()
        self.gradients = [p.grad.clone() for p in self.g.parameters()] + self.gradients
        self.step_g.step()
        self.after_generator_step()

    def after_discriminator_step(self):
        pass

    def after_generator_step(self):
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

    def discriminator_loss(self, batch, fake):
        return self.d(fake).mean() - self.d(batch.real).mean()

    def generator_loss(self, _batch, fake):
        return -self.d(fake).mean()

    def after_discriminator_step(self):
        with torch.no_grad():
            for weight in self.d.parameters():
                weight.copy_(weight.clamp(-0.01, 0.01))


class _WganGp(_Loop):
    steps = 5
    generator_loss = _Wgan.generator_loss

    def __init__(self, state):
        super().__init__(state)
        self.adam(1e-4, (0.0, 0.9))

    def discriminator_loss(self, batch, fake):
        share = self.uniform(len(fake), 1, 1, 1)
        slope = self.slope(share * batch.real + (1 - share) * fake)
        penalty = 10 * ((slope.square().sum(1).sqrt() - 1) ** 2).mean()
        return self.d(fake).mean() - self.d(batch.real).mean() + penalty


class _Hinge(_Loop):
    generator_loss = _Wgan.generator_loss

    def discriminator_loss(self, batch, fake):
        return (1 - self.d(batch.real)).clamp(min=0).mean() + (1 + self.d(fake)).clamp(min=0).mean()


class _Dragan(_Loop):
    def penalty(self, batch):
        around = batch.real + 0.5 * batch.real.std() * self.uniform(*batch.real.shape)
        return 10 * ((self.slope(around).square().sum(1).sqrt() - 1) ** 2).mean()

    def discriminator_loss(self, batch, fake):
        entropy = F.softplus(-self.d(batch.real)).mean() + F.softplus(self.d(fake)).mean()
        return entropy + self.penalty(batch)

    def generator_loss(self, _batch, fake):
        return F.softplus(-self.d(fake)).mean()


class _R1(_Dragan):
    def penalty(self, batch):
        return 10 / 2 * self.slope(batch.real).square().sum(1).mean()


class _R3(_Loop):
    def __init__(self, state):
        super().__init__(state)
        self.adam(2e-4, (0.0, 0.99))
        self.average = copy.deepcopy(self.g)

    def discriminator_loss(self, batch, fake):
        slopes = sum(self.slope(points).square().sum(1).mean() for points in (batch.real, fake))
        return F.softplus(self.d(fake) - self.d(batch.real)).mean() + slopes / 2

    def generator_loss(self, batch, fake):
        return F.softplus(self.d(batch.real) - self.d(fake)).mean()

    def after_generator_step(self):
        for average, weight in zip(self.average.parameters(), self.g.parameters(), strict=True):
            average.data = 0.999 * average.data + 0.001 * weight.data


class _Acgan(_Loop):
    def classified(self, samples, labels, sign):
        output = self.d(samples)
        return F.softplus(sign * output.score).mean() + F.cross_entropy(output.extra["label"], labels)

    def discriminator_loss(self, batch, fake):
        return self.classified(batch.real, batch.labels, -1) + self.classified(fake, batch.labels, 1)

    def generator_loss(self, batch, fake):
        return self.classified(fake, batch.labels, -1)


class _Infogan(_Loop):
    """Latents are 62 values, 10 of a class, 2 of style."""

    def __init__(self, state):
        super().__init__(state)
        self.adam(2e-4, (0.5, 0.999), g_rate=1e-3)

    def on_fakes(self, batch, fake, sign):
        output = self.d(fake)
        category, style = batch.fakes.latent[:, 62:72], batch.fakes.latent[:, 72:]
        information = -(category * output.extra["category"].log_softmax(1)).sum(1).mean()
        information = information + (output.extra["style"] - style).square().sum(1).mean() / 2
        return F.softplus(sign * output.score).mean() + information

    def discriminator_loss(self, batch, fake):
        return F.softplus(-self.d(batch.real).score).mean() + self.on_fakes(batch, fake, 1)

    def generator_loss(self, batch, fake):
        return self.on_fakes(batch, fake, -1)


class _Began(_Loop):
    def __init__(self, state):
        super().__init__(state)
        self.adam(1e-4, (0.5, 0.999))
        self.k = 0.0

    def error(self, x):
        return (x - self.d.decoder(self.d.encoder(x.flatten(1)))).abs().mean()

    def discriminator_loss(self, batch, fake):
        on_real = self.error(batch.real)
        self.real = on_real.item()
        return on_real - self.k * self.error(fake)

    def generator_loss(self, _batch, fake):
        on_fake = self.error(fake)
        self.k = min(1.0, max(0.0, self.k + 0.001 * (0.5 * self.real - on_fake.item())))
        return on_fake


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
def test_the_engine_equals_the_loop_of_the_paper(name):
    """Every discriminator step has a batch of its own, and the generator learns from the last one's fakes."""
    networks = partial(mlp, generator=(8,), discriminator=(8, 6))
    variant = replace(registry.get(name), networks=networks, batch_size=6, image_side=4)
    state = init(variant, random_data(4, n=12), seed=1, dtype=torch.float64)
    loop = LOOPS[name](state)
    before = [p.detach().clone() for p in parameters(state)]
    batches = list(random_batches(variant, 8 * loop.steps, 6, (1, 4, 4)))
    for start in range(0, len(batches), loop.steps):
        loop.iteration(batches[start : start + loop.steps])
    train_on(state, batches, 8)
    assert largest_error(state, (loop.g, loop.d)) <= 1e-11
    assert least_move(state, before) > 1e-4
    if name == "wgan":
        assert all(p.abs().max() <= 0.01 for p in state.networks.discriminator.parameters())
    if name == "began":
        assert state.objective["k"].item() == pytest.approx(loop.k, rel=1e-12)
    if name == "r3gan":
        for a, b in zip(state.ema.parameters(), loop.average.parameters(), strict=True):
            assert (a - b).abs().max().item() <= 1e-12


SMALL = {"dcgan64": {"width": 2}, "dcgan_paper": {"generator_width": 2, "discriminator_width": 2}}
"""Systems at a small width: their full sizes are counted in tests/networks/test_sizes.py."""
ARTICLES = ("gan", "cgan", "lsgan", "lsgan_linear", "dcgan", "dcgan28")
TWO_PASSES = ("gan", "cgan", "lsgan", "lsgan_linear", "dcgan")
FAST = ("cgan", *SMALL)


class _Conditional(nn.Module):
    """Embedding of the label concatenated to a flat input."""

    def __init__(self, layers):
        super().__init__()
        self.embedding, self.layers = nn.Embedding(10, 10), layers

    def forward(self, x, labels):
        return self.layers(torch.cat([x.flatten(1), self.embedding(labels)], 1))


def _plain_networks(name):
    if name not in ("gan", "cgan", "lsgan", "lsgan_linear"):
        return {"dcgan": s3, "dcgan28": s5, "dcgan64": s6, "dcgan_paper": s7}[name]()
    given = 0 if name == "gan" else 10
    sizes, generator = [100 + given, 128, 256, 512, 1024], []
    for a, b in pairwise(sizes):
        generator += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(0.2)]
    generator = nn.Sequential(*generator, nn.Linear(1024, 1024), nn.Tanh())
    sizes, discriminator = [1024 + given, 1024, 512, 256], []
    for a, b in pairwise(sizes):
        discriminator += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    discriminator = nn.Sequential(nn.Flatten(), *discriminator, nn.Linear(256, 1))
    return (_Conditional(generator), _Conditional(discriminator)) if given else (generator, discriminator)


def _on_probabilities(name):
    """The articles' losses: a sigmoid at the discriminator's end, then BCELoss or MSELoss."""
    loss = nn.MSELoss() if name.startswith("lsgan") else nn.BCELoss()
    end = (lambda score: score) if name == "lsgan_linear" else torch.sigmoid
    return lambda score, target: loss(end(score), torch.full_like(score, target))


def _on_logits(name):
    if name.startswith("lsgan"):
        return _on_probabilities(name)
    return lambda score, target: F.binary_cross_entropy_with_logits(score, torch.full_like(score, target))


class _Article(_Loop):
    """The articles' loops: the generator runs once or twice a step, and everything has gradients."""

    def __init__(self, name, state, loss):
        pair = tuple(network.double() for network in _plain_networks(name))
        for plain, ours in zip(pair, state.networks, strict=True):
            values = copy.deepcopy(ours.state_dict()).values()
            plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
        self.g, self.d = pair
        self.adam(2e-4, (0.5, 0.999))
        self.loss = loss
        self.passes = 2 if name in TWO_PASSES else 1

    def fake(self, batch):
        inputs = (batch.fakes.latent,) if batch.fakes.labels is None else batch.fakes
        return self.g(*inputs).reshape(batch.real.shape)

    def score(self, images, batch):
        return self.d(images, *([] if batch.fakes.labels is None else [batch.labels])).flatten()

    def discriminator_loss(self, batch, fake):
        return self.loss(self.score(batch.real, batch), 1.0) + self.loss(self.score(fake, batch), 0.0)

    def generator_loss(self, batch, fake):
        return self.loss(self.score(fake, batch), 1.0)


def _article(name, loss, steps):
    """The state and the loop after so many steps on the same batches, and the parameters before."""
    variant = replace(registry.get(name, **SMALL.get(name, {})), batch_size=4)
    shape = (3 if name == "dcgan64" else 1, variant.image_side, variant.image_side)
    state = init(variant, random_data(variant.image_side, shape[0]), seed=3, dtype=torch.float64)
    loop = _Article(name, state, loss(name))
    before = [p.detach().clone() for p in parameters(state)]
    batches = list(random_batches(variant, steps, 4, shape))
    for batch in batches:
        loop.iteration([batch])
    train_on(state, batches, steps)
    return state, loop, before


@pytest.mark.parametrize("name", ARTICLES)
def test_gradients_of_a_step_equal_those_on_probabilities(name):
    state, loop, _ = _article(name, _on_probabilities, 1)
    for ours, plain in zip(parameters(state), loop.gradients, strict=True):
        assert (ours.grad - plain).abs().max().item() <= 1e-12 * max(1.0, plain.abs().max().item())
    assert max(p.grad.abs().max().item() for p in parameters(state)) > 1e-4


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in (*ARTICLES, *SMALL)]
)
def test_steps_equal_those_on_logits(name):
    """Parameters and running statistics: the engine's one generator pass at momentum 0.19 stands for two at 0.1."""
    state, loop, before = _article(name, _on_logits, 12 if name in SMALL else 50)
    assert largest_error(state, (loop.g, loop.d)) <= (1e-11 if name in SMALL else 1e-12)
    assert least_move(state, before) > 1e-4
