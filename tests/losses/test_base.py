"""The discriminator's outputs in a step: computed once, on two batches or on a concatenated one, with their labels."""

import pytest
import torch
from torch import nn

from gan_zoo.losses import DiscriminatorOutput


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def _normalizing(samples, _labels):
    norm = nn.BatchNorm1d(1, affine=False, eps=1e-15).double()
    return DiscriminatorOutput(norm(samples.view(-1, 1)).flatten(), {"double": 2 * samples})


def test_batch_norm_sees_real_and_fake_apart(make_step):
    """Alone, [0, 2] and [10, 14] are each -1 and 1."""
    step = make_step(_tensor([0.0, 2.0]), _tensor([10.0, 14.0]), _normalizing)
    assert step.on_real.score.tolist() == pytest.approx([-1, 1])
    assert step.on_fake.score.tolist() == pytest.approx([-1, 1])


def test_batch_norm_sees_a_concatenated_batch(make_step):
    """Together [0, 2, 10, 14] has mean 6.5 and variance 32.75; so also where the fakes are more than the real ones."""
    step = make_step(_tensor([0.0]), _tensor([2.0, 10.0, 14.0]), _normalizing, concat_real_fake=True)
    expected = [(x - 6.5) / 32.75**0.5 for x in (0, 2, 10, 14)]
    assert step.on_real.score.tolist() == pytest.approx(expected[:1])
    assert step.on_fake.score.tolist() == pytest.approx(expected[1:])
    assert step.on_real.extra["double"].tolist() == [0]
    assert step.on_fake.extra["double"].tolist() == [4, 20, 28]


@pytest.mark.parametrize("concat", [False, True])
def test_labels_go_with_their_samples_and_each_output_is_computed_once(concat, make_step):
    calls = []

    def discriminator(samples, labels):
        calls.append((samples.tolist(), labels.tolist()))
        return DiscriminatorOutput(samples)

    labels, fake_labels = torch.tensor([1, 2]), torch.tensor([3])
    step = make_step(
        torch.tensor([5.0, 6.0]),
        torch.tensor([7.0]),
        discriminator,
        concat_real_fake=concat,
        labels=labels,
        fake_labels=fake_labels,
    )
    for _ in range(2):
        assert (step.on_real.score.tolist(), step.on_fake.score.tolist()) == ([5, 6], [7])
    assert calls == ([([5, 6, 7], [1, 2, 3])] if concat else [([5, 6], [1, 2]), ([7], [3])])
