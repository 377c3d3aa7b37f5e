"""The trial before training on CUDA, as far as a CPU can run it."""

import pytest
import torch

from gan_zoo.engine import advance, init, start
from gan_zoo.engine.loop import MARGIN, _channels_last_is_faster, _iteration_seconds
from gan_zoo.registry import get
from gan_zoo.validation import random_data

VARIANT = get("dcgan", width=4, batch_size=8)


def _is_channels_last(state):
    return any(w.dim() == 4 and w.stride(1) == 1 and w.shape[1] > 1 for w in state.networks.discriminator.parameters())


@pytest.mark.parametrize(("other", "chosen"), [(0.5, False), (1 / MARGIN + 0.01, True), (1.5, True)])
def test_the_faster_layout_is_chosen_in_float32(monkeypatch, other, chosen):
    seconds = {True: 1.0, False: other}
    monkeypatch.setattr("gan_zoo.engine.loop._iteration_seconds", lambda state: seconds[_is_channels_last(state)])
    assert _channels_last_is_faster(VARIANT, random_data(32, n=20), 0, "fp32") is chosen


@pytest.mark.parametrize(("name", "precision"), [("dcgan", "bf16"), ("gan", "fp32")])
def test_there_is_no_choice_in_lower_precision_and_without_convolutions(monkeypatch, name, precision):
    tried = []
    monkeypatch.setattr("gan_zoo.engine.loop._iteration_seconds", lambda state: tried.append(state) or 1.0)
    assert _channels_last_is_faster(get(name, batch_size=8), random_data(32, n=20), 0, precision)
    assert len(tried) == 1


def test_a_trial_leaves_random_states_and_data_as_they_were():
    data = random_data(32, n=20)
    images, before = data.train.images.clone(), torch.get_rng_state()
    assert _iteration_seconds(init(VARIANT, data, 0)) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(data.train.images, images)


def test_a_run_on_a_cpu_begins_without_a_trial(monkeypatch):
    monkeypatch.setattr("gan_zoo.engine.loop._iteration_seconds", lambda state: pytest.fail("a trial"))
    data = random_data(32, n=20)
    state = start(VARIANT, data, 0, graphs=False)
    assert (state.warmup_seconds, state.graphs) == (0.0, False)
    plain = advance(init(VARIANT, data, 0), 3)
    for one, other in zip(advance(state, 3).networks, plain.networks, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
