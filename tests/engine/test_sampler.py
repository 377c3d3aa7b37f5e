"""Images from a generator: the same for a seed, in evaluation mode, of the requested class."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo.engine import Sampler, advance, init
from gan_zoo.engine import sampler as sampler_module
from gan_zoo.errors import GanZooError
from gan_zoo.networks.mlp import mlp


@pytest.fixture
def trained(tiny, pixels):
    """Makes a state of a tiny variant after three iterations."""
    return lambda name="gan", **changes: advance(init(tiny(name, **changes), pixels(), seed=0), 3)


@pytest.fixture
def with_generator(tiny, pixels):
    """Makes the first state of a variant with another generator."""

    def make(generator, name="gan"):
        variant = replace(tiny(name), networks=lambda spec: (generator, mlp(spec, (8,), (8,))[1]))
        return init(variant, pixels(), seed=0)

    return make


@pytest.mark.parametrize("name", ["gan", "cgan"])
def test_the_seed_decides_whatever_the_batch(trained, monkeypatch, name):
    sampler = Sampler.of(trained(name))
    whole = sampler(23, seed=4)
    assert whole.shape == (23, 1, 4, 4)
    assert whole.dtype == torch.uint8
    for batch in (1, 7, 23):
        monkeypatch.setattr(sampler_module, "_BATCH", batch)
        assert torch.equal(sampler(23, seed=4), whole)
    assert not torch.equal(sampler(23, seed=5), whole)


def test_neither_torchs_random_state_nor_the_runs_is_moved(trained):
    state = trained("cgan")
    generators = [torch.default_generator, *state.random.values()]
    before = [generator.get_state() for generator in generators]
    Sampler.of(state)(5)
    assert all(torch.equal(a, b.get_state()) for a, b in zip(before, generators, strict=True))


def test_it_samples_in_evaluation_mode_and_leaves_the_mode_as_it_was(trained):
    state = trained()
    buffers = [buffer.clone() for buffer in state.networks.generator.buffers()]
    modes = []
    state.networks.generator.register_forward_pre_hook(lambda module, _inputs: modes.append(module.training))
    for training in (True, False):
        state.networks.generator.train(training)
        Sampler.of(state)(5)
        assert {module.training for module in state.networks.generator.modules()} == {training}
    assert modes == [False, False]
    assert all(torch.equal(a, b) for a, b in zip(buffers, state.networks.generator.buffers(), strict=True))


class _Constant(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, latent, _labels=None):
        return self.values.expand(len(latent), *self.values.shape)


def test_pixels_are_the_generators_values(with_generator):
    """-1 is 0, 0 is 127.5 rounded to even, 1 is 255."""
    values = torch.tensor([-1.0, -0.5, 0.0, 1.0]).repeat(4).view(1, 4, 4)
    assert Sampler.of(with_generator(_Constant(values)))(2)[0, 0, 0].tolist() == [0, 64, 128, 255]


def test_a_generator_that_is_not_finite_is_refused(with_generator):
    state = with_generator(_Constant(torch.full((1, 4, 4), float("nan"))))
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


def _drawn(images):
    return (images[:, 0, 0, 0].float() / 127.5 * 5).round().int().tolist()


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_each_image_is_of_the_requested_class(with_generator, monkeypatch, kind):
    monkeypatch.setattr(sampler_module, "_BATCH", 3)
    requested = [7, 0, 9, 9, 3, 1, 5]
    images = Sampler.of(with_generator(_ByLabel(), "cgan"))(7, labels=kind(requested))
    assert _drawn(images) == requested


def test_without_labels_classes_are_drawn_evenly(with_generator):
    images = Sampler.of(with_generator(_ByLabel(), "cgan"))(2000)
    counts = torch.tensor(_drawn(images)).bincount(minlength=10)
    assert counts.min() > 140
    assert counts.max() < 260


@pytest.mark.parametrize("labels", [[10, 0], [-1, 0], [1], [1, 2, 3], [0.5, 1.0], [[1, 2]], [[1], [2]], []])
def test_labels_that_do_not_fit_are_one_clear_line(trained, labels):
    with pytest.raises(GanZooError, match="labels must be 2 classes from 0 to 9"):
        Sampler.of(trained("cgan"))(2, labels=labels)


@pytest.mark.parametrize(
    ("name", "n", "labels", "key_words"),
    [("gan", 0, None, "0 images"), ("cgan", -3, None, "-3 images"), ("gan", 1, [3], "not conditional")],
)
def test_a_request_that_cannot_be_met_is_one_clear_line(trained, name, n, labels, key_words):
    with pytest.raises(GanZooError, match=key_words):
        Sampler.of(trained(name))(n, labels=labels)


@pytest.mark.parametrize(("kind", "conditional"), [("none", False), ("generator", True), ("both", True)])
def test_a_sampler_is_conditional_if_its_generator_takes_labels(trained, kind, conditional):
    assert Sampler.of(trained(conditioning=kind)).conditional is conditional


def test_the_moving_average_is_what_is_sampled(trained):
    state = trained(ema=0.5)
    assert (Sampler.of(state).weights, Sampler.of(state).generator) == ("ema", state.ema)
    assert Sampler.of(trained()).weights == "raw"


def test_its_text_is_a_line(trained):
    conditional = repr(Sampler.of(trained("cgan", ema=0.5)))
    assert conditional == "Sampler(cgan, conditional, 10 classes, latent 100 uniform [0, 1), ema weights)"
    assert repr(Sampler.of(trained())) == "Sampler(gan, unconditional, latent 100 uniform [0, 1), raw weights)"


def test_a_run_in_float64_samples(tiny, pixels):
    assert Sampler.of(init(tiny(), pixels(), seed=0, dtype=torch.float64))(3).dtype == torch.uint8
