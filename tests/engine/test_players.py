"""Who learns what: running state, heads, frozen parts, optimizers, the moving average, and what is recorded."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from gan_zoo import losses
from gan_zoo.engine import Batch, Fakes, advance, flush, init
from gan_zoo.latent import categorical, normal
from gan_zoo.losses import DiscriminatorOutput, Objective, Result
from gan_zoo.optimizer import Optimizer


def began(gain=0.1, ratio=0.5):
    """BEGAN's balance (Berthelot et al. 2017, arXiv 1703.10717, section 3.4) on squared scores."""

    def discriminator(step, state):
        real, fake = step.on_real.score.square().mean(), step.on_fake.score.square().mean()
        balance = (state["k"] + gain * (ratio * real - fake)).clamp(0, 1)
        return Result({"real": real, "fake": -state["k"] * fake}, {"L(real)": real, "L(fake)": fake}, {"k": balance})

    def generator(step, _state):
        return Result({"adversarial": step.on_fake.score.square().mean()})

    return Objective(title="b", discriminator=discriminator, generator=generator, probability=False, state={"k": 0.25})


def test_a_running_balance_is_carried_on(tiny, pixels):
    state = init(tiny(objective=began()), pixels(), seed=0, dtype=torch.float64)
    balance = 0.25
    for _ in range(5):
        values = flush(advance(state, 1))
        assert values["discriminator_loss/fake"] == pytest.approx(-balance * values["L(fake)"], rel=1e-12)
        balance = min(1, max(0, balance + 0.1 * (0.5 * values["L(real)"] - values["L(fake)"])))
        assert values["state/k"] == pytest.approx(balance, rel=1e-12)
    assert balance not in (0, 0.25, 1)
    assert not state.objective["k"].requires_grad


class _WithHead(nn.Module):
    """A critic with a class head beside its score, as InfoGAN's."""

    def __init__(self, classes):
        super().__init__()
        self.body, self.score, self.head = nn.Linear(16, 8), nn.Linear(8, 1), nn.Linear(8, classes)

    def forward(self, samples):
        features = self.body(samples.flatten(1)).tanh()
        return DiscriminatorOutput(self.score(features).squeeze(1), {"code": self.head(features)})


def _information(weight):
    base = losses.cross_entropy()

    def generator(step, state):
        said = cross_entropy(step.on_fake.extra["code"], step.latent["category"].argmax(1))
        return Result({**base.generator(step, state).terms, "information": weight * said})

    return replace(base, generator=generator)


def test_a_head_of_the_discriminator_may_learn_with_the_generator(tiny, pixels, with_critic):
    """InfoGAN's Q: stepped with the generator alone, while the body and the score learn in the other step alone."""
    captured = {}

    def note(discriminator):
        captured["gradients"] = {
            name: None if p.grad is None else p.grad.clone() for name, p in discriminator.named_parameters()
        }
        captured["weights"] = {name: p.clone() for name, p in discriminator.named_parameters()}

    variant = replace(
        with_critic(tiny(), lambda _spec: _WithHead(3)),
        latent=normal(6) + categorical(3),
        objective=_information(1.0),
        generator_trains=lambda n: [*n.generator.parameters(), *n.discriminator.head.parameters()],
        discriminator_trains=lambda n: [*n.discriminator.body.parameters(), *n.discriminator.score.parameters()],
        after_discriminator_step=note,
    )
    state = init(variant, pixels(), seed=0)
    start = copy.deepcopy(state.networks.discriminator)
    values = flush(advance(state, 1))
    for name, parameter in state.networks.discriminator.named_parameters():
        of_head = name.startswith("head")
        assert torch.equal(captured["weights"][name], start.get_parameter(name)) == of_head
        assert torch.equal(captured["weights"][name], parameter) == (not of_head)
        if of_head:
            assert captured["gradients"][name] is None
            assert parameter.grad.abs().max() > 0
        else:
            assert torch.equal(parameter.grad, captured["gradients"][name])
    total = values["generator_loss/adversarial"] + values["generator_loss/information"]
    assert values["generator_loss"] == pytest.approx(total, rel=1e-6)


def test_the_head_learns_the_code(tiny, pixels, with_critic):
    """Only so is the latent that a step is given the one that its fakes were made from."""
    variant = replace(
        with_critic(tiny(), lambda _spec: _WithHead(3)),
        latent=normal(2) + categorical(3),
        objective=_information(1.0),
        generator_trains=lambda n: [*n.generator.parameters(), *n.discriminator.head.parameters()],
        generator_optimizer=Optimizer("Adam", {"lr": 0.02}),
        generator_batch_size=16,
    )
    state = init(variant, pixels(), seed=0)
    first = flush(advance(state, 1))["generator_loss/information"]
    advance(state, 60)
    flush(state)
    last = flush(advance(state, 5))["generator_loss/information"]
    assert first > 0.8
    assert last < 0.4


def test_the_discriminator_is_frozen_in_the_generators_step(tiny, pixels):
    captured = {}

    def note(discriminator):
        captured["gradients"] = [p.grad.clone() for p in discriminator.parameters()]
        captured["weights"] = [p.clone() for p in discriminator.parameters()]

    base, asked = losses.cross_entropy(), []

    def generator(step, state):
        asked.append([p.requires_grad for p in trained.networks.discriminator.parameters()])
        return base.generator(step, state)

    variant = tiny(after_discriminator_step=note, objective=replace(base, generator=generator))
    trained = init(variant, pixels(), seed=0)
    advance(trained, 1)
    parameters = list(trained.networks.discriminator.parameters())
    assert asked == [[False] * len(parameters)]
    assert all(p.requires_grad for p in parameters)
    assert all(torch.equal(p.grad, before) for p, before in zip(parameters, captured["gradients"], strict=True))
    assert all(torch.equal(p, before) for p, before in zip(parameters, captured["weights"], strict=True))


def test_rmsprop_by_name(tiny, pixels):
    """Its first step is lr g / (sqrt(0.01 g^2) + eps): ten times the learning rate, against the gradient's sign."""
    optimizer = Optimizer("RMSprop", {"lr": 1e-3, "eps": 1e-30})
    state = init(tiny(discriminator_optimizer=optimizer), pixels(), seed=0, dtype=torch.float64)
    before = [p.detach().clone() for p in state.networks.discriminator.parameters()]
    advance(state, 1)
    assert isinstance(state.optimizers.discriminator, torch.optim.RMSprop)
    for old, new in zip(before, state.networks.discriminator.parameters(), strict=True):
        expected = -1e-2 * new.grad.sign()
        assert torch.allclose(new - old, expected, rtol=1e-9, atol=1e-12)


def test_each_side_has_its_own_learning_rate(tiny, pixels):
    optimizers = {
        f"{side}_optimizer": Optimizer("SGD", {"lr": lr}) for side, lr in (("generator", 0.5), ("discriminator", 0.1))
    }
    state = init(tiny(**optimizers), pixels(), seed=0, dtype=torch.float64)
    before = [[p.detach().clone() for p in network.parameters()] for network in state.networks]
    advance(state, 1)
    for lr, olds, network in zip((0.5, 0.1), before, state.networks, strict=True):
        for old, new in zip(olds, network.parameters(), strict=True):
            assert torch.allclose(old - new, lr * new.grad, rtol=1e-9, atol=1e-15)


def test_the_moving_average_is_the_formula(tiny, pixels):
    """e <- 0.9 e + 0.1 g at each of the generator's steps; running statistics are those of the generator."""
    state = init(tiny(ema=0.9), pixels(), seed=0, dtype=torch.float64)
    expected = [p.detach().clone() for p in state.networks.generator.parameters()]
    for _ in range(4):
        advance(state, 1)
        expected = [
            0.9 * e + 0.1 * p.detach() for e, p in zip(expected, state.networks.generator.parameters(), strict=True)
        ]
    for average, own, p in zip(state.ema.parameters(), expected, state.networks.generator.parameters(), strict=True):
        assert torch.allclose(average, own, rtol=1e-12, atol=1e-15)
        assert not average.requires_grad
        assert p.requires_grad
    assert not torch.equal(next(state.ema.parameters()), next(state.networks.generator.parameters()))
    for kept, buffer in zip(state.ema.buffers(), state.networks.generator.buffers(), strict=True):
        assert torch.equal(kept, buffer)


def test_what_a_round_records_is_worked_out_by_hand(tiny, pixels):
    """On an injected batch, with plain torch on copies of the networks."""
    random = torch.Generator().manual_seed(0)
    real = torch.rand(6, 1, 4, 4, generator=random, dtype=torch.float64)
    batch = Batch(real, torch.zeros(6).long(), Fakes(torch.rand(6, 100, generator=random, dtype=torch.float64), None))
    state = init(tiny(), pixels(), seed=0, dtype=torch.float64)
    generator, discriminator = (copy.deepcopy(network) for network in state.networks)
    values = flush(advance(state, 1, draw=lambda _state: batch))
    fake = generator(batch.fakes.latent)
    on_real, on_fake = discriminator(real).sigmoid(), discriminator(fake.detach()).sigmoid()
    losses = (
        binary_cross_entropy(on_real, torch.ones(6).double()),
        binary_cross_entropy(on_fake, torch.zeros(6).double()),
    )
    norm = sum(g.square().sum() for g in torch.autograd.grad(sum(losses), list(discriminator.parameters()))).sqrt()
    # The generator is judged by the discriminator as its own step has left it.
    adversarial = binary_cross_entropy(state.networks.discriminator(fake).sigmoid(), torch.ones(6).double())
    of_g = sum(g.square().sum() for g in torch.autograd.grad(adversarial, list(generator.parameters()))).sqrt()
    expected = {
        "discriminator_loss": sum(losses),
        "discriminator_loss/real": losses[0],
        "discriminator_loss/fake": losses[1],
        "discriminator_grad_norm": norm,
        "D(real)": on_real.mean(),
        "D(fake)": on_fake.mean(),
        "generator_loss": adversarial,
        "generator_loss/adversarial": adversarial,
        "generator_grad_norm": of_g,
    }
    assert values == pytest.approx({name: value.item() for name, value in expected.items()}, rel=1e-9)
