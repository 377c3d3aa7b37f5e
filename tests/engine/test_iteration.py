"""An iteration of training: the inputs of each player, what learns, what stays as it is, and what is recorded."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from gan_zoo import losses
from gan_zoo.engine import Batch, Fakes, advance, flush, init
from gan_zoo.latent import categorical, normal
from gan_zoo.losses import DiscriminatorOutput, Result
from gan_zoo.optimizer import Optimizer


def _recording(seen):
    """Cross-entropy that notes every step of each player."""
    base = losses.cross_entropy()

    def noting(player):
        def loss(step, state):
            seen.append((player, step))
            return getattr(base, player)(step, state)

        return loss

    return replace(base, discriminator=noting("discriminator"), generator=noting("generator"))


def _steps(tiny, pixels, name="gan", iterations=1, **changes):
    """The steps of both players, each a list, and the state after them."""
    seen = []
    state = advance(init(tiny(name, objective=_recording(seen), **changes), pixels(), seed=0), iterations)
    return *([step for who, step in seen if who == player] for player in ("discriminator", "generator")), state


@pytest.mark.parametrize(("of_d", "of_g"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_steps_of_an_iteration(tiny, pixels, of_d, of_g):
    seen = []
    state = init(tiny(discriminator_steps=of_d, generator_steps=of_g, objective=_recording(seen)), pixels(), seed=0)
    advance(state, 2)
    assert [player for player, _ in seen] == (["discriminator"] * of_d + ["generator"] * of_g) * 2
    assert [step.fake.requires_grad for _, step in seen] == ([False] * of_d + [True] * of_g) * 2
    assert (state.iterations, state.discriminator_steps, state.generator_steps) == (2, 2 * of_d, 2 * of_g)
    assert state.images == 2 * of_d * 8
    for optimizer, steps in zip(state.optimizers, (of_g, of_d), strict=True):
        assert {int(moments["step"]) for moments in optimizer.state.values()} == {2 * steps}


def test_the_generator_reuses_the_last_fakes(tiny, pixels):
    (first, last), (reused, fresh), _ = _steps(tiny, pixels, discriminator_steps=2, generator_steps=2)
    assert torch.equal(last.fake, reused.fake)
    for other in (first, fresh):
        assert not torch.equal(last.latent["noise"], other.latent["noise"])


@pytest.mark.parametrize("size", [8, 12])
def test_a_generator_batch_of_its_own_is_fresh(tiny, pixels, size):
    (d,), (g,), _ = _steps(tiny, pixels, "cgan", generator_batch_size=size)
    assert (len(d.fake), len(g.fake), len(g.fake_labels)) == (8, size, size)
    assert not torch.equal(d.latent["noise"], g.latent["noise"][:8])


def test_the_hook_follows_every_discriminator_step(tiny, pixels):
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
    """Three steps of the discriminator and one of the generator, which reuses the last fakes where it may."""
    before = init(tiny(), pixels(), seed=0).networks.generator.train(not in_eval)
    (first, *_), _, state = _steps(tiny, pixels, discriminator_steps=3, fakes_in_eval=in_eval)
    norm = next(m for m in state.networks.generator.modules() if isinstance(m, nn.BatchNorm1d))
    assert int(norm.num_batches_tracked) == passes
    assert state.networks.generator.training
    with torch.no_grad():
        assert torch.allclose(first.fake, before(first.latent["noise"]), atol=1e-6)


class _Noting(nn.Module):
    """A discriminator with batch norm that notes its inputs."""

    def __init__(self, channels=1):
        super().__init__()
        self.given = []
        self.norm = nn.BatchNorm1d(channels * 16)
        self.layer = nn.Linear(channels * 16, 1)

    def forward(self, samples, _labels=None):
        self.given.append(samples.detach().clone())
        return self.layer(self.norm(samples.flatten(1))).squeeze(1)


def test_a_concatenated_batch_is_normalized_as_one(tiny, pixels, with_discriminator):
    """Running means after the discriminator's step are a tenth of a batch's mean: of 16 samples, or twice of 8."""
    means, given = {}, {}
    for concat in (False, True):

        def note(discriminator, concat=concat):
            means[concat] = discriminator.norm.running_mean.clone()
            given[concat] = list(discriminator.given)

        changes = {"concat_real_fake": concat, "after_discriminator_step": note}
        advance(init(with_discriminator(tiny(**changes), lambda _spec: _Noting()), pixels(), seed=0), 1)
    (both,), (real, fake) = given[True], given[False]
    assert both.shape == (16, 1, 4, 4)
    assert torch.equal(torch.cat([real, fake]), both)
    assert torch.allclose(means[True], 0.1 * both.flatten(1).mean(0), atol=1e-6)
    assert torch.allclose(means[False], 0.1 * (0.9 * real.flatten(1).mean(0) + fake.flatten(1).mean(0)), atol=1e-6)


def test_packs_are_stacked_along_the_channels(tiny, pixels, with_discriminator):
    random = torch.Generator().manual_seed(0)
    real = torch.rand(8, 3, 4, 4, generator=random)
    batch = Batch(real, torch.zeros(8, dtype=torch.int64), Fakes(torch.rand(8, 100, generator=random), None))
    variant = with_discriminator(tiny(packing=2), lambda spec: _Noting(spec.discriminator_input_shape[0]))
    state = init(variant, pixels(channels=3), seed=0)
    generator = copy.deepcopy(state.networks.generator)
    advance(state, 1, draw=lambda _state: batch)
    with torch.no_grad():
        fake = generator(batch.fakes.latent)
    for packs, samples in zip(state.networks.discriminator.given[:2], (real, fake), strict=True):
        assert packs.shape == (4, 6, 4, 4)
        for pack in range(4):
            assert torch.allclose(packs[pack], torch.cat([samples[2 * pack], samples[2 * pack + 1]]), atol=1e-6)


def test_a_packed_variant_counts_real_samples(tiny, pixels):
    assert advance(init(tiny(packing=2, batch_size=9), pixels(), seed=0), 3).images == 24


class _WithHead(nn.Module):
    """A discriminator with a class head beside its score, as InfoGAN's."""

    def __init__(self, classes):
        super().__init__()
        self.body, self.score, self.head = nn.Linear(16, 8), nn.Linear(8, 1), nn.Linear(8, classes)

    def forward(self, samples):
        features = self.body(samples.flatten(1)).tanh()
        return DiscriminatorOutput(self.score(features).squeeze(1), {"code": self.head(features)})


def _informed(variant, with_discriminator, **changes):
    """A variant whose head is trained with the generator to read a code of three classes."""
    base = losses.cross_entropy()

    def generator(step, state):
        information = cross_entropy(step.on_fake.extra["code"], step.latent["category"].argmax(1))
        return Result({**base.generator(step, state).terms, "information": information})

    return replace(
        with_discriminator(variant, lambda _spec: _WithHead(3)),
        objective=replace(base, generator=generator),
        generator_trains=lambda n: [*n.generator.parameters(), *n.discriminator.head.parameters()],
        **changes,
    )


def _noting_parameters(noted):
    def note(discriminator):
        for name, p in discriminator.named_parameters():
            noted[name] = (p.clone(), None if p.grad is None else p.grad.clone())

    return note


def test_a_head_of_the_discriminator_may_learn_with_the_generator(tiny, pixels, with_discriminator):
    """InfoGAN's Q: stepped with the generator alone, while the body and the score learn in the other step alone."""
    noted = {}
    variant = _informed(
        tiny(),
        with_discriminator,
        latent=normal(6) + categorical(3),
        discriminator_trains=lambda n: [*n.discriminator.body.parameters(), *n.discriminator.score.parameters()],
        after_discriminator_step=_noting_parameters(noted),
    )
    state = init(variant, pixels(), seed=0)
    start = copy.deepcopy(state.networks.discriminator)
    values = flush(advance(state, 1))
    for name, parameter in state.networks.discriminator.named_parameters():
        weight, gradient = noted[name]
        of_head = name.startswith("head")
        assert torch.equal(weight, start.get_parameter(name)) == of_head
        assert torch.equal(weight, parameter) == (not of_head)
        if of_head:
            assert gradient is None
            assert parameter.grad.abs().max() > 0
        else:
            assert torch.equal(parameter.grad, gradient)
    total = values["generator_loss/adversarial"] + values["generator_loss/information"]
    assert values["generator_loss"] == pytest.approx(total, rel=1e-6)


def test_the_head_learns_the_code(tiny, pixels, with_discriminator):
    """Only so is the latent of a step the one that its fakes were made from."""
    adam = Optimizer("Adam", {"lr": 0.02})
    changes = {"latent": normal(2) + categorical(3), "generator_optimizer": adam, "generator_batch_size": 16}
    state = init(_informed(tiny(), with_discriminator, **changes), pixels(), seed=0)
    first = flush(advance(state, 1))["generator_loss/information"]
    advance(state, 60)
    flush(state)
    assert first > 0.8
    assert flush(advance(state, 5))["generator_loss/information"] < 0.4


def test_the_discriminator_is_frozen_in_the_generators_step(tiny, pixels):
    noted, frozen = {}, []
    base = losses.cross_entropy()

    def generator(step, step_state):
        frozen.append([p.requires_grad for p in state.networks.discriminator.parameters()])
        return base.generator(step, step_state)

    changes = {"after_discriminator_step": _noting_parameters(noted), "objective": replace(base, generator=generator)}
    state = init(tiny(**changes), pixels(), seed=0)
    advance(state, 1)
    parameters = dict(state.networks.discriminator.named_parameters())
    assert frozen == [[False] * len(parameters)]
    for name, (weight, gradient) in noted.items():
        assert parameters[name].requires_grad
        assert torch.equal(parameters[name].grad, gradient)
        assert torch.equal(parameters[name], weight)


def test_rmsprop_by_name(tiny, pixels):
    """Its first step is lr g / (sqrt(0.01 g^2) + eps): ten times the learning rate, against the gradient's sign."""
    optimizer = Optimizer("RMSprop", {"lr": 1e-3, "eps": 1e-30})
    state = init(tiny(discriminator_optimizer=optimizer), pixels(), seed=0, dtype=torch.float64)
    before = [p.detach().clone() for p in state.networks.discriminator.parameters()]
    advance(state, 1)
    for old, new in zip(before, state.networks.discriminator.parameters(), strict=True):
        assert torch.allclose(new - old, -1e-2 * new.grad.sign(), rtol=1e-9, atol=1e-12)


def test_each_player_has_its_own_learning_rate(tiny, pixels):
    rates = {"generator_optimizer": 0.5, "discriminator_optimizer": 0.1}
    optimizers = {name: Optimizer("SGD", {"lr": lr}) for name, lr in rates.items()}
    state = init(tiny(**optimizers), pixels(), seed=0, dtype=torch.float64)
    before = [[p.detach().clone() for p in network.parameters()] for network in state.networks]
    advance(state, 1)
    for lr, olds, network in zip(rates.values(), before, state.networks, strict=True):
        for old, new in zip(olds, network.parameters(), strict=True):
            assert torch.allclose(old - new, lr * new.grad, rtol=1e-9, atol=1e-15)


def test_the_recorded_values_are_worked_out_by_hand(tiny, pixels):
    """On an injected batch, with plain torch on copies of the networks."""
    random = torch.Generator().manual_seed(0)
    real = torch.rand(6, 1, 4, 4, generator=random, dtype=torch.float64)
    batch = Batch(real, torch.zeros(6).long(), Fakes(torch.rand(6, 100, generator=random, dtype=torch.float64), None))
    state = init(tiny(), pixels(), seed=0, dtype=torch.float64)
    generator, discriminator = (copy.deepcopy(network) for network in state.networks)
    values = flush(advance(state, 1, draw=lambda _state: batch))
    fake = generator(batch.fakes.latent)
    on_real, on_fake = discriminator(real).sigmoid(), discriminator(fake.detach()).sigmoid()
    of_real = binary_cross_entropy(on_real, torch.ones(6).double())
    of_fake = binary_cross_entropy(on_fake, torch.zeros(6).double())
    # The generator's loss is by the discriminator as its own step has left it.
    adversarial = binary_cross_entropy(state.networks.discriminator(fake).sigmoid(), torch.ones(6).double())

    def norm(loss, network):
        return sum(g.square().sum() for g in torch.autograd.grad(loss, list(network.parameters()))).sqrt()

    expected = {
        "discriminator_loss": of_real + of_fake,
        "discriminator_loss/real": of_real,
        "discriminator_loss/fake": of_fake,
        "discriminator_grad_norm": norm(of_real + of_fake, discriminator),
        "D(real)": on_real.mean(),
        "D(fake)": on_fake.mean(),
        "generator_loss": adversarial,
        "generator_loss/adversarial": adversarial,
        "generator_grad_norm": norm(adversarial, generator),
    }
    assert values == pytest.approx({name: value.item() for name, value in expected.items()}, rel=1e-9)
