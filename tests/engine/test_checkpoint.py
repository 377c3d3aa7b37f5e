"""States on disk: to the bit, in one file without pickle, and refused where they do not fit."""

import errno
import json
import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gan_zoo import registry, tensors
from gan_zoo.engine import Sampler, advance, checkpoint, flush, init
from gan_zoo.errors import DamagedFileError, GanZooError, StorageError
from gan_zoo.losses import Objective, Result
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer
from gan_zoo.validation import random_data


@pytest.fixture(autouse=True)
def _registered(own_registry):
    """A variant with every kind of state that there is: dropout, RMSprop, a running balance, an average, labels."""

    @registry.register("stateful")
    def stateful(*, width=8, lr=1e-3):
        return replace(
            registry.get("cgan"),
            networks=lambda spec: _networks(spec, width),
            objective=_balanced(),
            generator_optimizer=Optimizer("RMSprop", {"lr": lr, "momentum": 0.5}),
            ema=0.9,
            batch_size=8,
            fake_batch_size=12,
            discriminator_steps=2,
        )

    @registry.register("small")
    def small(*, width=8, widths=()):
        return replace(registry.get("gan"), networks=lambda spec: mlp(spec, (width,), (width,)), batch_size=8)


def _networks(spec, width):
    generator, discriminator = mlp(spec, (width,), (width,))
    discriminator.body.insert(1, nn.Dropout(0.5))
    return generator, discriminator


def _balanced():
    def discriminator(step, state):
        real, fake = step.on_real.score.square().mean(), step.on_fake.score.square().mean()
        return Result({"real": real, "fake": -state["k"] * fake}, {}, {"k": state["k"] + 0.1 * (real - fake)})

    def generator(step, state):
        return Result({"adversarial": step.on_fake.score.square().mean() + state["k"] * step.on_fake.score.mean()})

    return Objective(title="b", discriminator=discriminator, generator=generator, probability=False, state={"k": 0.2})


def _start(name="stateful", seed=0, data=None, **options):
    return init(registry.get(name, **options), data or random_data(4, n=30), seed)


def _everything(state):
    """Every number of a state, by name."""
    found = {
        f"{side}.{key}": v for side, net in state.networks._asdict().items() for key, v in net.state_dict().items()
    }
    if state.ema is not None:
        found |= {f"ema.{key}": value for key, value in state.ema.state_dict().items()}
    for side, optimizer in state.optimizers._asdict().items():
        for index, entry in optimizer.state_dict()["state"].items():
            found |= {f"{side}.{index}.{key}": value for key, value in entry.items()}
    found |= {f"random.{purpose}": generator.get_state() for purpose, generator in state.random.items()}
    found |= {"random": state.default_random, "order": state.order, **state.objective}
    counts = (state.cursor, state.images, state.iterations, state.discriminator_steps, state.generator_steps)
    return found | {"counts": torch.tensor(counts)}


def _assert_same(first, second):
    ours, theirs = _everything(first), _everything(second)
    assert set(ours) == set(theirs)
    assert [
        name for name, value in ours.items() if not torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[name]))
    ] == []


def _saved(state, folder):
    path = folder / "state.safetensors"
    checkpoint.save(state, path)
    return path


def test_a_restored_state_is_the_saved_one_and_resumes_to_the_bit(tmp_path):
    """Five rounds of 2x8 over 30 samples: the cut falls inside an epoch."""
    unbroken = advance(_start(), 3)
    path = _saved(unbroken, tmp_path)
    restored = checkpoint.restore(_start(), checkpoint.load(path))
    _assert_same(unbroken, restored)
    advance(unbroken, 4)
    torch.rand(5)
    advance(restored, 4)
    _assert_same(unbroken, restored)
    assert restored.objective["k"] != 0.2


def test_what_a_continuation_needs_is_in_the_file(tmp_path):
    """Each part left at its start would give other numbers: so the test above can fail for each."""
    fresh, trained = _everything(_start()), _everything(advance(_start(), 3))
    same = [name for name, value in trained.items() if name in fresh and torch.equal(value, fresh[name])]
    assert same == ["random.noise"]


def test_history_and_seconds_are_restored(tmp_path):
    state = advance(_start(), 2)
    state.seconds = 1.25
    state.warmup_seconds = 2.0
    flush(state)
    advance(state, 3)
    begun = _start()
    begun.warmup_seconds = 0.5
    restored = checkpoint.restore(begun, checkpoint.load(_saved(state, tmp_path)))
    assert restored.seconds == 1.25
    assert restored.warmup_seconds == 2.5
    assert restored.history.rows == state.history.rows
    assert restored.history.rows[0]["step"] == 2
    assert sum(map(len, restored.history.pending)) == 3
    assert flush(restored) == flush(state)


def test_a_run_that_was_restored_saves_the_same_content(tmp_path):
    """To the digest; the order of a file's metadata is random."""
    path = _saved(advance(_start(), 2), tmp_path)
    saved, metadata = tensors.load_tensors(path)
    _saved(checkpoint.restore(_start(), checkpoint.load(path)), tmp_path)
    again, metadata_again = tensors.load_tensors(path)
    assert metadata_again == metadata
    assert again.keys() == saved.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in saved.items())


def test_samples_are_those_of_the_state(tmp_path):
    """Of the moving average where there is one."""
    state = advance(_start(), 5)
    sampler = checkpoint.load(_saved(state, tmp_path)).sampler("cpu")
    labels = torch.arange(10)
    assert sampler.weights == "ema"
    assert torch.equal(sampler(10, labels=labels), Sampler.of(state)(10, labels=labels))
    raw = Sampler(state.variant, state.networks.generator, state.classes)
    assert not torch.equal(sampler(10, labels=labels), raw(10, labels=labels))
    assert not sampler.generator.training


def test_a_variant_comes_back_with_its_options(tmp_path):
    state = advance(_start("small", width=5, widths=(1, 2)), 1)
    loaded = checkpoint.load(_saved(state, tmp_path))
    assert loaded.variant.options == {"width": 5, "widths": [1, 2]}
    assert loaded.sampler("cpu").generator.layers[0].out_features == 5
    checkpoint.restore(_start("small", width=5, widths=(1, 2)), loaded)


class _Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 16)
        self.second.weight = self.first.weight

    def forward(self, samples, _labels=None):
        return self.second(self.first(samples.flatten(1)).relu()).mean(1)


def test_tied_weights_are_saved(tmp_path):
    @registry.register("tied")
    def tied():
        return replace(registry.get("small"), networks=lambda spec: (mlp(spec, (8,), (8,))[0], _Tied()))

    state = advance(_start("tied"), 2)
    restored = checkpoint.restore(_start("tied"), checkpoint.load(_saved(state, tmp_path)))
    _assert_same(advance(state, 2), advance(restored, 2))


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = _saved(advance(_start(), 1), tmp_path)
    content = path.read_bytes()

    def killed(_tensors, draft, _metadata):
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tensors, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(advance(_start(), 2), path)
    assert path.read_bytes() == content


def test_a_variant_without_a_name_is_not_saved(tmp_path):
    state = _start("small")
    state.variant = replace(state.variant, name="")
    with pytest.raises(GanZooError, match="has no name"):
        checkpoint.save(state, tmp_path / "state.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_options_that_no_file_can_hold_are_one_clear_line(tmp_path):
    state = _start("small", objective=_balanced())
    with pytest.raises(GanZooError, match="'small' was made with options that a file cannot hold"):
        checkpoint.save(state, tmp_path / "state.safetensors")


@pytest.mark.parametrize("keep_previous", [False, True])
def test_the_previous_checkpoint_is_kept_if_requested(tmp_path, keep_previous):
    path, state = tmp_path / "state.safetensors", _start()
    for _ in range(3):
        checkpoint.save(advance(state, 1), path, keep_previous=keep_previous)
    assert checkpoint.load(path).facts["counts"]["rounds"] == 3
    found = {file.name for file in tmp_path.iterdir()}
    assert found == ({path.name, "state.previous.safetensors"} if keep_previous else {path.name})
    if keep_previous:
        assert checkpoint.load(checkpoint.previous(path)).facts["counts"]["rounds"] == 2


def test_a_full_disk_leaves_both_checkpoints(tmp_path, monkeypatch):
    path, state = tmp_path / "state.safetensors", _start()
    for _ in range(2):
        checkpoint.save(advance(state, 1), path, keep_previous=True)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device") as error:
        checkpoint.save(advance(state, 1), path, keep_previous=True)
    assert str(tmp_path) in str(error.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_flipped_bit_of_a_tensor_is_damage(tmp_path, part):
    path = _saved(advance(_start(), 1), tmp_path)
    content = bytearray(path.read_bytes())
    content[int(part * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="is damaged") as error:
        checkpoint.load(path)
    _one_line(error, path)


def _one_line(error, path):
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "truncated", "header cut", "pickle", "folder"])
def test_a_file_that_is_no_checkpoint_is_one_clear_line(tmp_path, damage):
    path = _saved(advance(_start(), 1), tmp_path)
    content = path.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"not a checkpoint at all, but long enough to have a header length in it",
        "truncated": content[:-100],
        "header cut": content[:50],
        "pickle": pickle.dumps({"weights": [1, 2, 3]}),
    }
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(GanZooError, match=r"is not a|does not exist|is a folder") as error:
        checkpoint.load(path)
    _one_line(error, path)


@pytest.mark.parametrize("facts", [None, {}, {"format": "gan-zoo checkpoint 99"}, [1], "gan-zoo checkpoint 1"])
def test_safetensors_of_another_kind_are_one_clear_line(tmp_path, facts):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, None if facts is None else {"facts": json.dumps(facts)})
    with pytest.raises(GanZooError, match="not a gan-zoo checkpoint") as error:
        checkpoint.load(path)
    _one_line(error, path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: _start("small"), "variant 'stateful', not 'small'"),
        (lambda: _start(seed=1), "seed 0, not 1"),
        (lambda: _start(lr=0.5), "options {}, not {'lr': 0.5}"),
        (lambda: _start(data=replace(random_data(4, n=30), name="another")), "data 'random', not 'another'"),
        (lambda: _start(data=replace(random_data(4, n=30), fingerprint="f00d")), "fingerprint '', not 'f00d'"),
        (lambda: _start(data=random_data(8, n=30)), "does not fit variant 'stateful' as it is now"),
        (lambda: _start(data=random_data(4, n=31)), "does not fit variant 'stateful' as it is now"),
    ],
)
def test_another_run_cannot_resume_it(tmp_path, other, said):
    path = _saved(advance(_start(), 1), tmp_path)
    with pytest.raises(GanZooError, match=said) as error:
        checkpoint.restore(other(), checkpoint.load(path))
    _one_line(error, path)


@pytest.mark.parametrize(
    "name", ["random.latent", "random.default", "generator.layers.0.weight", "order", "objective.k", "of CUDA"]
)
def test_a_tensor_that_is_missing_or_of_another_device_is_one_clear_line(tmp_path, name):
    """CUDA's generators have 16 bytes of state."""
    loaded = checkpoint.load(_saved(advance(_start(), 1), tmp_path))
    loaded.tensors.pop(name, None)
    if name == "of CUDA":
        loaded.tensors["random.order"] = torch.zeros(16, dtype=torch.uint8)
    with pytest.raises(GanZooError, match="does not fit"):
        checkpoint.restore(_start(), loaded)


def test_a_variant_that_has_changed_or_gone_cannot_sample(tmp_path):
    loaded = checkpoint.load(_saved(advance(_start("small"), 1), tmp_path))
    registry._factories["small"] = lambda: replace(registry.get("gan"), batch_size=8)
    with pytest.raises(GanZooError, match="does not fit variant 'small'") as error:
        loaded.sampler("cpu")
    assert "\n" not in str(error.value)
    del registry._factories["small"]
    with pytest.raises(GanZooError, match=r"'small'.*--plugin"):
        loaded.sampler("cpu")
