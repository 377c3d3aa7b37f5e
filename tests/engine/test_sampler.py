"""Images from a generator: the same for a seed, in evaluation mode, of the class that was asked for."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo.engine import Sampler, advance, init
from gan_zoo.engine import sampler as sampler_module
from gan_zoo.errors import GanZooError
from gan_zoo.networks.mlp import mlp


def _sampler(tiny, pixels, name="gan", **changes):
    return Sampler.of(advance(init(tiny(name, **changes), pixels(), seed=0), 3))


@pytest.mark.parametrize("name", ["gan", "cgan"])
def test_the_seed_decides_whatever_the_batch(tiny, pixels, monkeypatch, name):
    sampler = _sampler(tiny, pixels, name)
    whole = sampler(23, seed=4)
    assert whole.shape == (23, 1, 4, 4)
    assert whole.dtype == torch.uint8
    for batch in (1, 7, 23):
        monkeypatch.setattr(sampler_module, "_BATCH", batch)
        assert torch.equal(sampler(23, seed=4), whole)
    assert not torch.equal(sampler(23, seed=5), whole)


def test_neither_torchs_random_state_nor_the_runs_is_moved(tiny, pixels):
    state = init(tiny("cgan"), pixels(), seed=0)
    before = [torch.get_rng_state(), *(generator.get_state() for generator in state.random.values())]
    Sampler.of(state)(5)
    after = [torch.get_rng_state(), *(generator.get_state() for generator in state.random.values())]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_it_samples_in_evaluation_mode_and_leaves_the_mode_as_it_was(tiny, pixels):
    state = advance(init(tiny(), pixels(), seed=0), 3)
    buffers = [buffer.clone() for buffer in state.networks.generator.buffers()]
    modes = []
    state.networks.generator.register_forward_pre_hook(lambda module, _inputs: modes.append(module.training))
    for training in (True, False):
        state.networks.generator.train(training)
        Sampler.of(state)(5)
        assert {module.training for module in state.networks.generator.modules()} == {training}
    assert modes == [False, False]
    assert all(torch.equal(a, b) for a, b in zip(buffers, state.networks.generator.buffers(), strict=True))


def test_pixels_are_the_generators_values(tiny, pixels):
    """-1 is 0, 0 is 127.5 rounded to even, 1 is 255."""
    values = torch.tensor([-1.0, -0.5, 0.0, 1.0]).repeat(4).view(1, 4, 4)
    variant = _constant(tiny(), values)
    images = Sampler.of(init(variant, pixels(), seed=0))(2)
    assert images[0, 0, 0].tolist() == [0, 64, 128, 255]


class _Constant(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, latent, _labels=None):
        return self.values.expand(len(latent), *self.values.shape)


def _constant(variant, values):
    return replace(variant, networks=lambda spec: (_Constant(values), mlp(spec, (8,), (8,))[1]))


def test_a_generator_that_is_not_finite_is_refused(tiny, pixels):
    state = init(_constant(tiny(), torch.full((1, 4, 4), float("nan"))), pixels(), seed=0)
    with pytest.raises(GanZooError, match="not finite"):
        Sampler.of(state)(2)
    assert state.networks.generator.training


class _ByLabel(nn.Module):
    """Draws its label: every pixel is (label - 5) / 5."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.2))

    def forward(self, latent, labels):
        return ((labels - 5) * self.scale).view(-1, 1, 1, 1).expand(len(latent), 1, 4, 4)


def _by_label(tiny, pixels):
    variant = replace(tiny("cgan"), networks=lambda spec: (_ByLabel(), mlp(spec, (8,), (8,))[1]))
    return Sampler.of(init(variant, pixels(), seed=0))


def _drawn(images):
    return (images[:, 0, 0, 0].float() / 127.5 * 5).round().int().tolist()


@pytest.mark.parametrize("as_tensor", [False, True])
def test_each_image_is_of_the_class_asked_for(tiny, pixels, monkeypatch, as_tensor):
    monkeypatch.setattr(sampler_module, "_BATCH", 3)
    asked = [7, 0, 9, 9, 3, 1, 5]
    images = _by_label(tiny, pixels)(7, labels=torch.tensor(asked) if as_tensor else asked)
    assert _drawn(images) == asked


def test_without_a_wish_classes_are_drawn_evenly(tiny, pixels):
    counts = torch.tensor(_drawn(_by_label(tiny, pixels)(2000))).bincount(minlength=10)
    assert counts.min() > 140
    assert counts.max() < 260


@pytest.mark.parametrize("labels", [[10, 0], [-1, 0], [1], [1, 2, 3], [0.5, 1.0], [[1, 2]], [[1], [2]], []])
def test_labels_that_do_not_fit_are_one_clear_line(tiny, pixels, labels):
    with pytest.raises(GanZooError, match="labels must be 2 classes from 0 to 9"):
        _sampler(tiny, pixels, "cgan")(2, labels=labels)


@pytest.mark.parametrize("n", [0, -3])
def test_no_images_is_one_clear_line(tiny, pixels, n):
    for name in ("gan", "cgan"):
        with pytest.raises(GanZooError, match=str(n)):
            _sampler(tiny, pixels, name)(n)


def test_labels_for_an_unconditional_generator_are_one_clear_line(tiny, pixels):
    with pytest.raises(GanZooError, match="not conditional"):
        _sampler(tiny, pixels)(1, labels=[3])


def test_conditional_says_whether_it_can_be_asked(tiny, pixels):
    asked = {kind: _sampler(tiny, pixels, conditioning=kind).conditional for kind in ("none", "generator", "both")}
    assert asked == {"none": False, "generator": True, "both": True}


def test_the_moving_average_is_what_is_sampled(tiny, pixels):
    state = advance(init(tiny(ema=0.5), pixels(), seed=0), 5)
    sampler = Sampler.of(state)
    assert (sampler.weights, sampler.generator) == ("ema", state.ema)
    raw = Sampler(state.variant, state.networks.generator, state.classes)
    assert raw.weights == "raw"
    assert Sampler.of(advance(init(tiny(), pixels(), seed=0), 1)).weights == "raw"


def test_a_run_in_float64_samples(tiny, pixels):
    assert Sampler.of(init(tiny(), pixels(), seed=0, dtype=torch.float64))(3).dtype == torch.uint8
