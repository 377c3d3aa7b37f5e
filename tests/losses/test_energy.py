"""BEGAN's balance as the paper writes it, through the engine, and EBGAN's pulling-away term by a double loop."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from gan_zoo.engine import advance, flush, init
from gan_zoo.losses import boundary_equilibrium, energy_based
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import get
from gan_zoo.validation import random_data


def _began(**settings):
    networks = partial(mlp, generator=(8,), discriminator=(8,))
    objective = boundary_equilibrium(**{"diversity": 0.5, "gain": 0.2, **settings})
    fast = Optimizer("Adam", {"lr": 0.01, "betas": (0.5, 0.999)})
    variant = replace(get("began"), networks=networks, objective=objective, batch_size=8)
    variant = replace(variant, generator_optimizer=fast, discriminator_optimizer=fast)
    return init(variant, random_data(4), seed=0, dtype=torch.float64)


def test_the_balance_follows_the_paper():
    """L_D = L(x) - k L(G(z)), L_G = L(G(z)), k += gain (b L(x) - L(G(z))), M = L(x) + |b L(x) - L(G(z))|; b: diversity.

    L(G(z)) of the balance is the generator's own, L(x) that of the discriminator's step of the same iteration.
    """
    state, balances, k = _began(), [], 0.0
    for _ in range(12):
        values = flush(advance(state, 1))
        on_real, on_fake = values["discriminator_loss/real"], values["generator_loss/adversarial"]
        assert on_real == pytest.approx(values["D(real)"], rel=1e-12)
        assert values["discriminator_loss/fake"] == pytest.approx(-k * values["D(fake)"], rel=1e-12, abs=1e-15)
        assert values["discriminator_loss"] == pytest.approx(on_real - k * values["D(fake)"], rel=1e-12)
        assert values["generator_loss"] == pytest.approx(on_fake, rel=1e-12)
        assert values["convergence"] == pytest.approx(on_real + abs(0.5 * on_real - on_fake), rel=1e-12)
        k = min(1.0, max(0.0, k + 0.2 * (0.5 * on_real - on_fake)))
        assert values["state/k"] == pytest.approx(k, rel=1e-12, abs=1e-15)
        balances.append(k)
    assert len(set(balances)) > 2


@pytest.mark.parametrize(("diversity", "ends_at"), [(50.0, 1.0), (1e-9, 0.0)])
def test_k_stays_between_0_and_1(diversity, ends_at):
    state = _began(diversity=diversity, gain=10.0)
    for _ in range(3):
        assert flush(advance(state, 1))["state/k"] == ends_at


def test_no_gradient_flows_through_the_balance(make_step):
    real, fake = (torch.rand(4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    state = {"k": torch.tensor(0.3), "real": torch.tensor(0.5)}
    result = boundary_equilibrium(diversity=0.5, gain=0.1).generator(make_step(real, fake), state)
    assert not result.state["k"].requires_grad
    assert not result.logs["convergence"].requires_grad


def test_pulling_away_is_the_mean_squared_cosine_of_pairs(make_step):
    codes = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    scores = torch.zeros(5, dtype=torch.float64)
    expected = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                expected += (codes[i] @ codes[j] / (codes[i].norm() * codes[j].norm())) ** 2 / (5 * 4)

    def term(codes):
        step = make_step(scores, scores, extra={"code": codes})
        return energy_based(margin=1.0, pull_away=0.3).generator(step, {}).terms["pull_away"]

    assert term(codes).item() == pytest.approx(0.3 * expected.item(), rel=1e-12)
    assert torch.autograd.gradcheck(term, (codes,))
    (pull,) = torch.autograd.grad(term(codes), codes)
    (by_hand,) = torch.autograd.grad(0.3 * expected, codes)
    assert torch.allclose(pull, by_hand, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("margin", "pushes"), [(0.5, 0.0), (2.0, -1.0)])
def test_fakes_are_pushed_up_to_the_margin_only(margin, pushes, make_step):
    fake = torch.tensor([1.0], requires_grad=True)
    term = energy_based(margin=margin, pull_away=0.1).discriminator(make_step(fake, fake), {}).terms["fake"]
    assert torch.autograd.grad(term, fake)[0].item() == pushes


def test_the_energy_is_the_error_of_the_autoencoder():
    """BEGAN's of power 1, EBGAN's of power 2, a mean over all values of a sample."""
    for name, power in (("began", 1), ("ebgan", 2)):
        variant = replace(get(name), networks=partial(mlp, generator=(8,), discriminator=(8,)))
        discriminator = variant.build((3, 4, 4), 0).discriminator.eval()
        samples = torch.rand(2, 3, 4, 4) * 2 - 1
        code = discriminator.encoder(samples.flatten(1))
        expected = [(x - y).abs().pow(power).mean() for x, y in zip(samples, discriminator.decoder(code), strict=True)]
        output = discriminator(samples)
        assert torch.allclose(output.score, torch.stack(expected), rtol=1e-6)
        assert torch.equal(output.extra["code"], code)
        assert code.shape == (2, 64)
