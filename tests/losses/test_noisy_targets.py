"""Noisy targets: how they are distributed, that they are fresh, and what bounds the loss; accuracy beside it."""

import math

import pytest
import torch
from scipy.stats import kstest, truncnorm

from gan_zoo.losses import noisy_cross_entropy

N = 20_000


def _targets(make_step, fakes_only=False, logit=0.3):
    """The targets, read from the gradients: a sample's entropy has the derivative p - t in its logit."""
    real, fake = (torch.full((N,), logit, dtype=torch.float64, requires_grad=True) for _ in range(2))
    step = make_step(real, fake)
    p = 1 / (1 + math.exp(-logit))
    if fakes_only:
        (pull,) = torch.autograd.grad(noisy_cross_entropy().generator(step, {}).terms["adversarial"], fake)
        return (p - pull * N).numpy()
    total = sum(noisy_cross_entropy().discriminator(step, {}).terms.values())
    return [(p - pull * 2 * N).numpy() for pull in torch.autograd.grad(total, (real, fake))]


def test_targets_are_truncated_normals(make_step):
    """Of all samples; about a third of the real ones exceed 1: (0.8849 - 0.8413) / (0.8849 - 0.7580) = 0.344."""
    of_real, of_fake = _targets(make_step)
    for_fakes = _targets(make_step, fakes_only=True)
    for targets, low, high in ((of_real, 0.7, 1.2), (for_fakes, 0.7, 1.2), (of_fake, 0.0, 0.3)):
        assert targets.min() >= low - 1e-9
        assert targets.max() <= high + 1e-9
        assert kstest(targets, truncnorm(low, high).cdf).pvalue > 1e-3
    assert (of_real > 1).mean() == pytest.approx(0.344, abs=5 * (0.344 * 0.656 / N) ** 0.5)


def test_targets_are_drawn_afresh_for_every_sample_and_call(make_step):
    step = make_step(torch.zeros(50), torch.zeros(50))
    step.on_fake.score.requires_grad_()
    pulls = [
        torch.autograd.grad(noisy_cross_entropy().generator(step, {}).terms["adversarial"], step.fake)[0]
        for _ in range(2)
    ]
    assert len({round(x, 9) for pull in pulls for x in pull.tolist()}) == 100


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_probabilities_are_clipped(probability, make_step):
    """A target above 1 on a probability of 1 would pay without bound: it stops at -t log(1 - c) - (1 - t) log(c)."""
    logit = torch.tensor([1000.0 if probability else -1000.0], dtype=torch.float64)
    clipped = 1 - 1e-7 if probability else 1e-7
    random = torch.Generator().manual_seed(0)
    target = float(truncnorm.ppf(torch.rand(1, generator=random, dtype=torch.float64).item(), 0.7, 1.2))
    value = noisy_cross_entropy().generator(make_step(logit, logit), {}).terms["adversarial"].item()
    expected = -target * math.log(clipped) - (1 - target) * math.log(1 - clipped)
    assert value == pytest.approx(expected, rel=1e-9)


def test_one_mean_over_real_and_fake_samples(make_step):
    """With 1 real sample and 9 fakes each weighs a tenth, not the real one a half."""
    real = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    fake = torch.zeros(9, dtype=torch.float64, requires_grad=True)
    total = sum(noisy_cross_entropy().discriminator(make_step(real, fake), {}).terms.values())
    pull = torch.autograd.grad(total, (real, fake))
    assert -0.07 <= pull[0].item() <= -0.02
    assert (pull[1] <= 0.05).all()
    assert (pull[1] >= 0.02).all()
    # At logit 0 a sample's entropy is log 2 whatever its target.
    assert total.item() == pytest.approx(math.log(2), rel=1e-12)


def test_accuracy_is_that_at_a_probability_of_one_half(make_step):
    """Right are 2 of 3 real samples and 3 of 5 fakes; a score of 0 is taken for a fake."""
    real, fake = torch.tensor([0.1, 4.0, -0.1]), torch.tensor([-3.0, 0.0, 0.2, 5.0, -0.1])
    logs = noisy_cross_entropy().discriminator(make_step(real, fake), {}).logs
    assert logs["accuracy"].item() == pytest.approx(5 / 8)
