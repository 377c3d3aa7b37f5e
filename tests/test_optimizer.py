"""Optimizers, which are torch's without the import of its compiler, and schedules."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.optimizer import Optimizer, Schedule, format_schedules, parse_schedules

TRAINING = """
import sys
from pathlib import Path
from gan_zoo import registry
from gan_zoo.validation import random_data
from gan_zoo.engine import advance, checkpoint, start

path = Path(sys.argv[1])
for name in ("gan", "dcgan_keras"):
    variant = registry.get(name, batch_size=8)
    state = advance(start(variant, random_data(variant.image_side), 0), 2)
    checkpoint.save(state, path)
    checkpoint.restore(start(variant, random_data(variant.image_side), 0), checkpoint.load(path))
print([name for name in sys.modules if name in ("torch._dynamo", "torch._inductor", "sympy")])
"""


@pytest.mark.slow
def test_training_and_checkpoints_do_not_import_the_compiler(tmp_path):
    words = [sys.executable, "-c", TRAINING, tmp_path / "run.safetensors"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("Adam", {"lr": 0.1, "betas": (0.5, 0.9)}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("RMSprop", {"lr": 0.1})],
)
def test_steps_are_those_of_torch_to_the_bit(name, settings):
    ours, theirs = (nn.Linear(5, 3) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    optimizers = (
        Optimizer(name, settings=settings).build(ours.parameters()),
        getattr(torch.optim, name)(theirs.parameters(), **settings),
    )
    for step in range(5):
        inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(step))
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(inputs).square().sum().backward()
            optimizer.step()
    assert all(torch.equal(mine, other) for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert isinstance(optimizers[0], getattr(torch.optim, name))
    assert all(parameter.requires_grad for parameter in ours.parameters())


def test_hooks_of_a_step_are_called():
    network = nn.Linear(2, 1)
    optimizer = Optimizer().build(network.parameters())
    called = []
    optimizer.register_step_post_hook(lambda *_: called.append(True))
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert called == [True]


def _squared(start, t):
    return start * (t + 1) ** 2


CLOSED_FORMS = {
    "constant": (Schedule(0.3), lambda _t: 0.3),
    "linear": (Schedule(0.3, "linear", end=0.1, length=8), lambda t: 0.3 - 0.2 * min(t / 8, 1)),
    "cosine": (
        Schedule(0.1, "cosine", end=0.9, length=8),
        lambda t: 0.1 + 0.8 * (1 - math.cos(math.pi * min(t / 8, 1))) / 2,
    ),
    "inverse": (Schedule(2e-4, "inverse", decay=1e-8), lambda t: 2e-4 / (1 + 1e-8 * t)),
    "function": (Schedule(0.5, _squared, over="images"), lambda t: 0.5 * (t + 1) ** 2),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_a_schedule_has_its_closed_form(name):
    schedule, form = CLOSED_FORMS[name]
    for t in (0, 1, 4, 7, 8, 9, 10**7):
        found = schedule.at(torch.tensor(t, dtype=torch.float64))
        assert found.dtype == torch.float64
        assert found.item() == pytest.approx(form(t), rel=1e-14)


def test_an_inverse_schedule_is_computed_in_one_order():
    """To the last bit, as the numbers of dcgan_keras depend on it: torch multiplies by the reciprocal."""
    schedule = CLOSED_FORMS["inverse"][0]
    values = [schedule.at(torch.tensor(t, dtype=torch.float64)).item() for t in range(50)]
    assert values == [1 / (1 + 1e-8 * t) * 2e-4 for t in range(50)]


def test_schedules_are_plain_values_and_back():
    settings = {"lr": CLOSED_FORMS["cosine"][0], "betas": [0.5, CLOSED_FORMS["linear"][0]], "eps": 1e-8}
    plain = format_schedules(settings)
    assert plain["lr"] == {"start": 0.1, "shape": "cosine", "end": 0.9, "length": 8}
    assert parse_schedules(plain) == settings
    with pytest.raises(GanZooError, match="function"):
        format_schedules(CLOSED_FORMS["function"][0])
