"""The systems of the articles: sizes counted by hand, and the engine against a plain loop in torch, in float64.

The plain loops share nothing with gan_zoo: networks as nn.Sequential, two generator passes a step, for-loop Adam.
"""

import copy
import math
from dataclasses import replace

import pytest
import torch
from reference_networks import s3, s5, s6, s7
from torch import nn
from torch.nn import functional as F

from gan_zoo import registry
from gan_zoo.engine import Batch, Fakes, advance, init
from gan_zoo.validation import random_data

BATCH = 4
SMALL = {"dcgan64": {"width": 2}, "dcgan_paper": {"generator_width": 2, "discriminator_width": 2}}
"""Systems at a small width: their full sizes are counted in tests/networks/test_sizes.py."""
TWO_PASSES = ("gan", "cgan", "lsgan", "lsgan_linear", "dcgan")

# Linear a->b: a*b + b; batch norm n: 2n; (transposed) convolution a->b, kernel k: a*b*k*k (+ b with bias).
PARAMETERS = {
    # G 100-128-256-512-1024-1024 with batch norm on the four hidden layers:
    # 12,928+256 + 33,024+512 + 131,584+1,024 + 525,312+2,048 + 1,049,600
    # D 1024-1024-512-256-1: 1,049,600 + 524,800 + 131,328 + 257
    "gan": (1_756_288, 1_705_985),
    # G: 10 more inputs to 128 units (1,280) and an embedding of 10x10 (100); D: 10 more to 1024 (10,240), and 100
    "cgan": (1_756_288 + 1_280 + 100, 1_705_985 + 10_240 + 100),
    "lsgan": (1_757_668, 1_716_325),
    "lsgan_linear": (1_757_668, 1_716_325),
    # G: 100->8192 827,392 + BN 16,384; 512->256 k4 2,097,408 + 512; 256->128 524,416 + 256; 128->1 2,049
    # D: 1->128 k3 1,280; 128->256 295,168 + 512; 256->512 1,180,160 + 1,024; 8192->1 8,193
    "dcgan": (
        827_392 + 16_384 + 2_097_408 + 512 + 524_416 + 256 + 2_049,
        1_280 + 295_168 + 512 + 1_180_160 + 1_024 + 8_193,
    ),
    # G, no bias, k4: 100->128 204,800 + 256; 128->64 131,072 + 128; 64->32 32,768 + 64; 32->1 512
    # D, k4: 1->16 272; 16->32 8,224 + 64; 32->64 32,832 + 128; 64->1 1,025
    "dcgan28": (204_800 + 256 + 131_072 + 128 + 32_768 + 64 + 512, 272 + 8_224 + 64 + 32_832 + 128 + 1_025),
}


def test_every_system_is_counted():
    assert set(PARAMETERS) <= set(registry.names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    variant = registry.get(name)
    networks = variant.build((1, variant.image_side, variant.image_side), 10)
    assert tuple(sum(p.numel() for p in network.parameters()) for network in networks) == PARAMETERS[name]


def test_maps_of_the_small_dcgan():
    networks = registry.get("dcgan28").build((1, 28, 28), 10)
    assert _sides(networks.generator.layers[1:], torch.zeros(2, 100, 1, 1)) == [4, 8, 16, 28]
    assert _sides([*networks.discriminator.body, networks.discriminator.score], torch.zeros(2, 1, 28, 28)) == [
        16,
        8,
        4,
        1,
    ]


def _sides(layers, x):
    sides = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            sides.append(x.shape[-1])
    return sides


def _mlp_generator(inputs):
    layers = []
    for a, b in ((inputs, 128), (128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1024, 1024), nn.Tanh())


def _mlp_discriminator(inputs):
    layers = []
    for a, b in ((inputs, 1024), (1024, 512), (512, 256)):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, 1))


class _Conditional(nn.Module):
    """Embedding of the label concatenated to a flat input."""

    def __init__(self, layers):
        super().__init__()
        self.embedding, self.layers = nn.Embedding(10, 10), layers

    def forward(self, x, labels):
        return self.layers(torch.cat([x.flatten(1), self.embedding(labels)], 1))


def _plain_networks(name):
    if name == "gan":
        return _mlp_generator(100), nn.Sequential(nn.Flatten(), _mlp_discriminator(1024))
    if name in ("cgan", "lsgan", "lsgan_linear"):
        return _Conditional(_mlp_generator(110)), _Conditional(_mlp_discriminator(1034))
    return {"dcgan": s3, "dcgan28": s5, "dcgan64": s6, "dcgan_paper": s7}[name]()


def _on_probabilities(name):
    """The articles' losses: a sigmoid at the discriminator's end, then BCELoss or MSELoss."""
    loss = nn.MSELoss() if name.startswith("lsgan") else nn.BCELoss()
    end = (lambda score: score) if name == "lsgan_linear" else torch.sigmoid
    return lambda score, target: loss(end(score), torch.full_like(score, target))


def _on_logits(name):
    if name.startswith("lsgan"):
        return _on_probabilities(name)
    return lambda score, target: F.binary_cross_entropy_with_logits(score, torch.full_like(score, target))


class _PlainLoop:
    """The articles' loops: the generator runs once or twice a step, and everything has gradients."""

    def __init__(self, name, state, loss):
        self.conditional, self.loss = registry.get(name).conditioning != "none", loss
        self.passes = 2 if name in TWO_PASSES else 1
        self.generator, self.discriminator = (network.double() for network in _plain_networks(name))
        for plain, ours in zip((self.generator, self.discriminator), state.networks, strict=True):
            plain.load_state_dict(dict(zip(plain.state_dict(), copy.deepcopy(ours.state_dict()).values(), strict=True)))
        settings = {"lr": 2e-4, "betas": (0.5, 0.999), "foreach": False}
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), **settings)
        self.adam_g = torch.optim.Adam(self.generator.parameters(), **settings)

    def fake(self, batch):
        flat = (
            self.generator(batch.fakes.latent, batch.labels) if self.conditional else self.generator(batch.fakes.latent)
        )
        return flat.reshape(batch.real.shape)

    def score(self, images, labels):
        said = self.discriminator(images, labels) if self.conditional else self.discriminator(images)
        return said.flatten()

    def step(self, batch):
        self.adam_d.zero_grad()
        fake = self.fake(batch)
        loss = self.loss(self.score(batch.real, batch.labels), 1.0)
        loss = loss + self.loss(self.score(fake.detach(), batch.labels), 0.0)
        loss.backward()
        self.gradients = [p.grad.clone() for p in self.discriminator.parameters()]
        self.adam_d.step()
        self.adam_g.zero_grad()
        fake = fake if self.passes == 1 else self.fake(batch)
        self.loss(self.score(fake, batch.labels), 1.0).backward()
        self.gradients = [p.grad.clone() for p in self.generator.parameters()] + self.gradients
        self.adam_g.step()

    def values(self):
        return [value for network in (self.generator, self.discriminator) for value in network.state_dict().values()]


def _batches(variant, count):
    random = torch.Generator().manual_seed(5)
    shape = (3 if variant.name == "dcgan64" else 1, variant.image_side, variant.image_side)
    for _ in range(count):
        real = torch.rand(BATCH, *shape, generator=random, dtype=torch.float64) * 2 - 1
        labels = torch.randint(10, (BATCH,), generator=random)
        latent = variant.latent.draw(BATCH, random=random, dtype=torch.float64)
        yield Batch(real, labels, Fakes(latent, labels if variant.conditioning != "none" else None))


def _start(name):
    variant = replace(registry.get(name, **SMALL.get(name, {})), batch_size=BATCH)
    data = random_data(variant.image_side, 3 if name == "dcgan64" else 1)
    return variant, init(variant, data, seed=3, dtype=torch.float64)


def _error(ours, plain):
    pairs = [(a.double(), b.double()) for a, b in zip(ours, plain, strict=True)]
    return max((a - b).abs().max().item() / max(1.0, b.abs().max().item()) for a, b in pairs)


@pytest.mark.parametrize("name", PARAMETERS)
def test_gradients_of_a_step_equal_those_on_probabilities(name):
    variant, state = _start(name)
    plain = _PlainLoop(name, state, _on_probabilities(name))
    (batch,) = _batches(variant, 1)
    plain.step(batch)
    advance(state, 1, draw=lambda _state: batch)
    ours = [p.grad for network in state.networks for p in network.parameters()]
    assert max(g.abs().max().item() for g in ours) > 1e-4
    for a, b in zip(ours, plain.gradients, strict=True):
        assert (a - b).abs().max().item() <= 1e-12 * max(1.0, b.abs().max().item())


FAST = ("cgan", *SMALL)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in (*PARAMETERS, *SMALL)]
)
def test_steps_equal_those_on_logits(name):
    """Parameters and running statistics: the engine's one generator pass at momentum 0.19 stands for two at 0.1."""
    variant, state = _start(name)
    steps = 12 if name in SMALL else 50
    plain = _PlainLoop(name, state, _on_logits(name))
    start = [p.detach().clone() for network in state.networks for p in network.parameters()]
    batches = list(_batches(variant, steps))
    for batch in batches:
        plain.step(batch)
    given = iter(batches)
    advance(state, steps, draw=lambda _state: next(given))
    ours = [(key, value) for network in state.networks for key, value in network.state_dict().items()]
    kept = [index for index, (key, _) in enumerate(ours) if not key.endswith("num_batches_tracked")]
    assert _error([ours[i][1] for i in kept], [plain.values()[i] for i in kept]) <= (1e-11 if name in SMALL else 1e-12)
    moved = [p.detach() - before for p, before in zip(_parameters(state), start, strict=True)]
    assert all(delta.abs().max().item() > 1e-4 for delta in moved if delta.dim() > 1)


def _parameters(state):
    return [p for network in state.networks for p in network.parameters()]


# Target, logit, gradient of the loss on a probability: a product with 1 / max(p (1 - p), 1e-12) of a rounded p.
SATURATION = [
    (0.0, 16.6, 1.0),
    (0.0, 16.7, 0.0),
    (0.0, 18.0, 0.0),
    (0.0, 50.0, 0.0),
    (1.0, -18.0, -1.0),
    (1.0, -27.5, -1.0),
    (1.0, -30.0, -1e12 * math.exp(-30)),
    (1.0, -50.0, -1e12 * math.exp(-50)),
]


@pytest.mark.parametrize("size", [1, 32], ids=["scalar kernels", "vector kernels"])
@pytest.mark.parametrize(("target", "logit", "saturated"), SATURATION)
def test_the_gradient_of_a_sigmoid_and_bce_saturates_in_float32(target, logit, saturated, size):
    """Fakes: 0 from a logit of 24 ln 2 = 16.64 on; real ones: it vanishes below -27.6. On logits it stays 1 and -1."""
    for loss, expected in ((_on_probabilities("gan"), saturated), (_on_logits("gan"), 1 - 2 * target)):
        score = torch.full((size,), logit, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(score, target), score)
        assert (size * gradient).tolist() == pytest.approx([expected] * size, rel=1e-5)


def test_lsgan_gradients_per_fake_match_the_closed_form():
    """SYSTEMS, S4: at a logit of +10 least squares still pulls on the raw score, and vanishes behind a sigmoid."""
    pulls = {}
    for name in ("gan", "lsgan", "lsgan_linear"):
        for logit in (-10.0, 10.0):
            score = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
            (pull,) = torch.autograd.grad(_generator_loss(name, score), score)
            pulls[name, logit] = abs(pull.item())
    sigmoid = 1 / (1 + math.exp(-10))
    assert pulls["gan", -10.0] == pytest.approx(sigmoid)
    assert pulls["gan", 10.0] == pytest.approx(1 - sigmoid)
    assert pulls["lsgan_linear", 10.0] == pytest.approx(18.0)
    assert pulls["lsgan_linear", -10.0] == pytest.approx(22.0)
    assert pulls["lsgan", 10.0] == pytest.approx(2 * (1 - sigmoid) ** 2 * sigmoid)
    assert pulls["lsgan", -10.0] == pytest.approx(2 * sigmoid**2 * (1 - sigmoid))


def _generator_loss(name, score):
    class _Step:
        class on_fake:  # noqa: N801
            pass

    _Step.on_fake.score = score
    return sum(registry.get(name).objective.generator(_Step, {}).terms.values())
