"""A round of training: who is given what, who learns, and what is left untouched."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from gan_zoo import objectives
from gan_zoo.engine import Batch, Fakes, advance, flush, init
from gan_zoo.latent import categorical, normal
from gan_zoo.objectives import Critique, Objective, Result
from gan_zoo.variant import Optimizer


def _spy(seen, base=None):
    """The cross-entropy game, noting every step that each player is given."""
    base = base or objectives.cross_entropy()

    def watch(player):
        def loss(step, state):
            seen.append((player, step))
            return getattr(base, player)(step, state)

        return loss

    return replace(base, discriminator=watch("discriminator"), generator=watch("generator"))


def _steps(seen, player):
    return [step for who, step in seen if who == player]


def _weights(state):
    return torch.cat([p.detach().flatten() for network in state.networks for p in network.parameters()])


@pytest.mark.parametrize(("of_d", "of_g"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_so_many_steps_a_round(tiny, pixels, of_d, of_g):
    seen = []
    state = init(tiny(discriminator_steps=of_d, generator_steps=of_g, objective=_spy(seen)), pixels(), seed=0)
    advance(state, 2)
    assert [player for player, _ in seen] == (["discriminator"] * of_d + ["generator"] * of_g) * 2
    assert (state.rounds, state.discriminator_steps, state.generator_steps) == (2, 2 * of_d, 2 * of_g)
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


def _with_critic(variant, critic):
    return replace(variant, networks=lambda spec: (tiny_generator(spec), critic(spec)))


def tiny_generator(spec):
    return nn.Sequential(nn.Linear(spec.latent, 16 * spec.shape[0]), nn.Tanh(), nn.Unflatten(1, spec.shape))


def test_a_joint_batch_is_normalized_as_one(tiny, pixels):
    """The running mean after the discriminator's one pass is a tenth of the mean of all 16 samples."""
    seen = []

    def note(discriminator):
        seen.append((len(discriminator.given), discriminator.norm.running_mean.clone()))

    made = {}
    for joint in (False, True):
        variant = _with_critic(tiny(joint=joint, after_discriminator_step=note), lambda _spec: _Watched())
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


def test_packs_are_stacked_along_the_channels(tiny, pixels):
    random = torch.Generator().manual_seed(0)
    real = torch.rand(8, 3, 4, 4, generator=random)
    batch = Batch(real, torch.zeros(8, dtype=torch.int64), Fakes(torch.rand(8, 100, generator=random), None))
    variant = _with_critic(tiny(packing=2), lambda spec: _Watched(spec.judged_shape[0]))
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
        return Critique(self.score(features).squeeze(1), {"code": self.head(features)})


def _information(weight):
    base = objectives.cross_entropy()

    def generator(step, state):
        said = cross_entropy(step.on_fake.extra["code"], step.latent["category"].argmax(1))
        return Result({**base.generator(step, state).terms, "information": weight * said})

    return replace(base, generator=generator)


def test_a_head_of_the_discriminator_may_learn_with_the_generator(tiny, pixels):
    """InfoGAN's Q: stepped with the generator alone, while the body and the score learn in the other step alone."""
    captured = {}

    def note(discriminator):
        captured["gradients"] = {
            name: None if p.grad is None else p.grad.clone() for name, p in discriminator.named_parameters()
        }
        captured["weights"] = {name: p.clone() for name, p in discriminator.named_parameters()}

    variant = replace(
        _with_critic(tiny(), lambda _spec: _WithHead(3)),
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


def test_the_head_learns_the_code(tiny, pixels):
    """Only so is the latent that a step is given the one that its fakes were made from."""
    variant = replace(
        _with_critic(tiny(), lambda _spec: _WithHead(3)),
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

    base, asked = objectives.cross_entropy(), []

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


def _dropping(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Dropout(0.5), nn.Linear(32, 1), nn.Flatten(0))


def test_two_and_two_rounds_are_four(tiny, pixels):
    variant = _with_critic(tiny(), _dropping)
    whole = advance(init(variant, pixels(), seed=0), 4)
    halves = advance(advance(init(variant, pixels(), seed=0), 2), 2)
    assert torch.equal(_weights(whole), _weights(halves))
    assert torch.equal(whole.default_random, halves.default_random)


def test_interleaved_runs_do_not_disturb_each_other(tiny, pixels):
    variant = _with_critic(tiny(), _dropping)
    alone = [_weights(advance(init(variant, pixels(), seed), 3)) for seed in (0, 1)]
    together = [init(variant, pixels(), seed) for seed in (0, 1)]
    for _ in range(3):
        for state in together:
            advance(state, 1)
            torch.rand(3)
    assert all(torch.equal(_weights(state), weights) for state, weights in zip(together, alone, strict=True))
    assert not torch.equal(*alone)


def test_torchs_own_random_state_is_neither_used_nor_moved(tiny, pixels):
    variant = _with_critic(tiny(), _dropping)
    made = []
    for outside in (1, 2):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        made.append(_weights(advance(init(variant, pixels(), seed=0), 3)))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*made)


def test_init_leaves_cudas_random_state_alone(tiny, pixels, monkeypatch):
    """torch.manual_seed would seed every device."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail(f"CUDA was seeded with {seed}"))
    init(tiny(), pixels(), seed=0)


def test_dropout_draws_anew_each_step(tiny, pixels):
    """With one batch for ever and nothing learned, the scores still change from step to step."""
    still = Optimizer("SGD", {"lr": 0.0})
    variant = _with_critic(tiny(generator_optimizer=still, discriminator_optimizer=still), _dropping)
    state = init(variant, pixels(), seed=0)
    batch = Batch(torch.ones(8, 1, 4, 4), torch.zeros(8).long(), Fakes(torch.ones(8, 100), None))
    said = [flush(advance(state, 1, draw=lambda _state: batch))["D(real)"] for _ in range(4)]
    assert len(set(said)) == 4


def test_an_error_in_a_step_leaves_all_as_it_was(tiny, pixels):
    def fail(_step, _state):
        raise ValueError("of the variant")

    state = init(tiny(objective=replace(objectives.cross_entropy(), generator=fail)), pixels(), seed=0)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="of the variant"):
        advance(state, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.requires_grad for p in state.networks.discriminator.parameters())
