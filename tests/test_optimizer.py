"""Optimizers are torch's own, without the import of its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from gan_zoo.optimizer import Optimizer

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
