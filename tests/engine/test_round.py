"""A round of training: who is given what, who learns, and what is left untouched."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo import losses
from gan_zoo.engine import Batch, Fakes, advance, init


def _spy(seen, base=None):
    """The cross-entropy game, noting every step that each player is given."""
    base = base or losses.cross_entropy()

    def watch(player):
        def loss(step, state):
            seen.append((player, step))
            return getattr(base, player)(step, state)

        return loss

    return replace(base, discriminator=watch("discriminator"), generator=watch("generator"))


def _steps(seen, player):
    return [step for who, step in seen if who == player]


@pytest.mark.parametrize(("of_d", "of_g"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_so_many_steps_a_round(tiny, pixels, of_d, of_g):
    seen = []
    state = init(tiny(discriminator_steps=of_d, generator_steps=of_g, objective=_spy(seen)), pixels(), seed=0)
    advance(state, 2)
    assert [player for player, _ in seen] == (["discriminator"] * of_d + ["generator"] * of_g) * 2
    assert (state.iterations, state.discriminator_steps, state.generator_steps) == (2, 2 * of_d, 2 * of_g)
    assert state.images == 2 * of_d * 8
    assert _optimizer_steps(state.optimizers.discriminator) == 2 * of_d
    assert _optimizer_steps(state.optimizers.generator) == 2 * of_g


def _optimizer_steps(optimizer):
    (count,) = {int(entry["step"]) for entry in optimizer.state.values()}
    return count


def test_fakes_have_a_gradient_for_the_generator_alone(tiny, pixels):
    seen = []
    advance(init(tiny(discriminator_steps=2, generator_steps=2, objective=_spy(seen)), pixels(), seed=0), 1)
    assert [step.fake.requires_grad for step in _steps(seen, "discriminator")] == [False, False]
    assert [step.fake.requires_grad for step in _steps(seen, "generator")] == [True, True]


def test_the_generator_goes_on_from_the_last_fakes(tiny, pixels):
    seen = []
    advance(init(tiny(discriminator_steps=2, generator_steps=2, objective=_spy(seen)), pixels(), seed=0), 1)
    (first, last), (reused, fresh) = _steps(seen, "discriminator"), _steps(seen, "generator")
    assert torch.equal(last.fake, reused.fake)
    for other in (first, fresh):
        assert not torch.equal(last.latent["noise"], other.latent["noise"])


def test_a_generator_batch_of_its_own_is_fresh(tiny, pixels):
    seen = []
    state = init(tiny("cgan", generator_batch_size=12, objective=_spy(seen)), pixels(), seed=0)
    advance(state, 1)
    ((_, judged), (_, learned)) = seen
    assert (len(judged.fake), len(learned.fake), len(learned.fake_labels)) == (8, 12, 12)
    assert not torch.equal(judged.latent["noise"], learned.latent["noise"][:8])


def test_an_equal_generator_batch_is_fresh_too(tiny, pixels):
    seen = []
    advance(init(tiny(generator_batch_size=8, objective=_spy(seen)), pixels(), seed=0), 1)
    assert not torch.equal(seen[0][1].latent["noise"], seen[1][1].latent["noise"])


def test_the_clipping_hook_follows_every_discriminator_step(tiny, pixels):
    calls = []

    def clip(discriminator):
        calls.append(torch.is_grad_enabled())
        for parameter in discriminator.parameters():
            parameter.clamp_(-0.01, 0.01)

    state = init(tiny(discriminator_steps=3, after_discriminator_step=clip), pixels(), seed=0)
    assert max(p.abs().max() for p in state.networks.discriminator.parameters()) > 0.05
    advance(state, 2)
    assert calls == [False] * 6
    assert max(p.abs().max() for p in state.networks.discriminator.parameters()) <= 0.01


@pytest.mark.parametrize(("in_eval", "passes"), [(False, 3), (True, 1)])
def test_fakes_in_eval_leave_running_statistics_alone(tiny, pixels, in_eval, passes):
    """Three steps of the discriminator and one of the generator, which goes on from the last fakes where it may."""
    seen = []
    state = init(tiny(discriminator_steps=3, fakes_in_eval=in_eval, objective=_spy(seen)), pixels(), seed=0)
    before = copy.deepcopy(state.networks.generator)
    advance(state, 1)
    norm = next(m for m in state.networks.generator.modules() if isinstance(m, nn.BatchNorm1d))
    assert int(norm.num_batches_tracked) == passes
    assert state.networks.generator.training
    first = _steps(seen, "discriminator")[0]
    with torch.no_grad():
        expected = before.train(not in_eval)(first.latent["noise"])
    assert torch.allclose(first.fake, expected, atol=1e-6)


class _Watched(nn.Module):
    """A critic with batch norm that notes what it is given."""

    def __init__(self, channels=1):
        super().__init__()
        self.given = []
        self.norm = nn.BatchNorm1d(channels * 16)
        self.layer = nn.Linear(channels * 16, 1)

    def forward(self, samples, _labels=None):
        self.given.append(samples.detach().clone())
        return self.layer(self.norm(samples.flatten(1))).squeeze(1)


def test_a_joint_batch_is_normalized_as_one(tiny, pixels, with_critic):
    """The running mean after the discriminator's one pass is a tenth of the mean of all 16 samples."""
    seen = []

    def note(discriminator):
        seen.append((len(discriminator.given), discriminator.norm.running_mean.clone()))

    made = {}
    for joint in (False, True):
        variant = with_critic(tiny(concat_real_fake=joint, after_discriminator_step=note), lambda _spec: _Watched())
        made[joint] = (
            init(variant, pixels(), seed=0).networks.discriminator,
            advance(init(variant, pixels(), seed=0), 1),
        )
    (apart_passes, apart_mean), (joint_passes, joint_mean) = seen
    assert (apart_passes, joint_passes) == (2, 1)
    given = made[True][1].networks.discriminator.given[0]
    assert given.shape == (16, 1, 4, 4)
    assert torch.allclose(joint_mean, 0.1 * given.flatten(1).mean(0), atol=1e-6)
    real, fake = made[False][1].networks.discriminator.given[:2]
    assert torch.equal(torch.cat([real, fake]), given)
    assert torch.allclose(apart_mean, 0.1 * (0.9 * real.flatten(1).mean(0) + fake.flatten(1).mean(0)), atol=1e-6)


def test_packs_are_stacked_along_the_channels(tiny, pixels, with_critic):
    random = torch.Generator().manual_seed(0)
    real = torch.rand(8, 3, 4, 4, generator=random)
    batch = Batch(real, torch.zeros(8, dtype=torch.int64), Fakes(torch.rand(8, 100, generator=random), None))
    variant = with_critic(tiny(packing=2), lambda spec: _Watched(spec.discriminator_input_shape[0]))
    state = init(variant, pixels(channels=3), seed=0)
    generator = copy.deepcopy(state.networks.generator)
    advance(state, 1, draw=lambda _state: batch)
    given = state.networks.discriminator.given
    with torch.no_grad():
        fake = generator(batch.fakes.latent)
    for judged, samples in zip(given[:2], (real, fake), strict=True):
        assert judged.shape == (4, 6, 4, 4)
        for pack in range(4):
            assert torch.allclose(judged[pack, :3], samples[2 * pack], atol=1e-6)
            assert torch.allclose(judged[pack, 3:], samples[2 * pack + 1], atol=1e-6)


def test_a_packed_variant_counts_real_samples(tiny, pixels):
    state = advance(init(tiny(packing=2, batch_size=9), pixels(), seed=0), 3)
    assert state.images == 24
