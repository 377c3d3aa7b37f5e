"""A run that is extended equals the run in one go, to the bit: weights, optimizers, random states, history, tables."""

import json

import pandas as pd
import pytest
import torch
from results_folders import assert_same_tables

import gan_zoo
from gan_zoo.engine import checkpoint

BATCH = {"batch_size": 16}
SMALL = {
    "gan": BATCH,
    "cgan": BATCH,
    "dcgan_keras": {"batch_size": 8, "width": 4},
    "r3gan": {**BATCH, "width": 4},
    "began": {**BATCH, "backbone": {"name": "dcgan", "width": 4}},
}
"""Dropout and decay (dcgan_keras), a moving average (r3gan), a running state of the objective (began)."""


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(folder):
    """The tensors and the facts of a run's checkpoint, its seconds aside."""
    (path,) = (path for path in (folder / "checkpoints").iterdir() if "previous" not in path.name)
    loaded = checkpoint.load(path)
    facts = json.loads(json.dumps(loaded.facts))
    facts["counts"].pop("seconds")
    for row in facts["history"]:
        row.pop("seconds")
    return loaded.tensors, facts


def assert_equal_to_the_bit(one, other):
    (tensors, facts), (others, other_facts) = saved(one), saved(other)
    assert tensors.keys() == others.keys()
    assert [name for name, tensor in tensors.items() if not torch.equal(tensor, others[name])] == []
    assert facts == other_facts


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "gan" else [pytest.mark.slow]) for name in SMALL]
)
def test_a_longer_training_continues_a_finished_one(name, tmp_path, no_report):
    """In three budgets, of which the first two cut an interval of the history; the third unit is another."""
    variant = gan_zoo.get(name, **SMALL[name])
    for steps in (30, 75):
        run = gan_zoo.train(variant, "digits", steps=steps, out=tmp_path / "extended")
        assert run.state.iterations == steps
    images = run.state.images * 110 / 75
    extended = gan_zoo.train(variant, "digits", images=images, out=tmp_path / "extended")
    whole = gan_zoo.train(variant, "digits", images=images, out=tmp_path / "whole")
    assert extended.state.iterations == whole.state.iterations > 100
    assert_equal_to_the_bit(tmp_path / "extended", tmp_path / "whole")
    assert_same_tables(tmp_path / "extended", tmp_path / "whole", ("history", "metrics", "summary", "contrasts"))
    pd.testing.assert_frame_equal(
        extended.history.drop(columns="seconds"), whole.history.drop(columns="seconds"), check_exact=True
    )
    assert set(extended.history.columns) > {"generator_loss", "discriminator_loss"}


@pytest.mark.parametrize("name", ["dcgan_keras", "began"])
def test_a_checkpoint_file_continues_as_a_folder_does(name, tmp_path):
    variant = gan_zoo.get(name, **SMALL[name])
    gan_zoo.train(variant, "digits", steps=30).save(tmp_path / "saved.safetensors")
    gan_zoo.train(resume=tmp_path / "saved.safetensors", steps=110).save(tmp_path / "a" / "checkpoints" / "a")
    gan_zoo.train(variant, "digits", steps=110).save(tmp_path / "b" / "checkpoints" / "b")
    assert_equal_to_the_bit(tmp_path / "a", tmp_path / "b")
