"""States on disk: to the bit, in one file without pickle, and refused where they do not fit."""

import errno
import json
import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from states import differing, numbers
from torch import nn

from gan_zoo import registry, tensors
from gan_zoo.engine import Sampler, advance, checkpoint, flush, init
from gan_zoo.errors import DamagedFileError, GanZooError, StorageError
from gan_zoo.losses import Objective, Result
from gan_zoo.losses.penalties import gradient_penalty, zero_centered
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.validation import random_data

WEIGHT = Schedule(10.0, "cosine", end=0.0, length=12)
KERAS = Optimizer("KerasAdam", {"lr": Schedule(2e-4, "inverse", decay=0.25), "betas": (0.5, 0.999), "eps": 1e-7})


@pytest.fixture(autouse=True)
def _registered(own_registry):
    @registry.register("stateful")
    def stateful(*, width=8, lr=1e-3):
        """Every kind of state that there is: dropout, RMSprop, a running balance, an average, labels."""
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

    @registry.register("scheduled")
    def scheduled():
        """Schedules of rates, betas, penalty weights and the average."""
        adam = {"lr": Schedule(2e-3, "inverse", decay=0.25), "betas": (0.5, Schedule(0.9, "linear", 0.99, 10))}
        return replace(
            registry.get("small"),
            generator_optimizer=Optimizer("Adam", adam),
            discriminator_optimizer=Optimizer("Adam", adam),
            penalties=(gradient_penalty(WEIGHT), zero_centered("real", WEIGHT)),
            ema=Schedule(0.5, "linear", end=0.9, length=100, over="images"),
            discriminator_steps=2,
        )

    @registry.register("convolutional")
    def convolutional():
        """Weights laid out channels last, and one step count for both players."""
        return replace(
            registry.get("dcgan_keras", width=2, batch_size=8),
            generator_optimizer=KERAS,
            discriminator_optimizer=KERAS,
            discriminator_steps=2,
        )

    @registry.register("tied")
    def tied():
        return replace(registry.get("small"), networks=lambda spec: (mlp(spec, (8,), (8,))[0], _TiedWeights()))


class _TiedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 16)
        self.second.weight = self.first.weight

    def forward(self, samples, _labels=None):
        return self.second(self.first(samples.flatten(1)).relu()).mean(1)


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


def _start(name="stateful", seed=0, data=None, dtype=torch.float32, **options):
    side = 28 if name == "convolutional" else 4
    return init(registry.get(name, **options), data or random_data(side, n=30), seed, dtype=dtype)


@pytest.fixture
def saved(tmp_path):
    """Writes a state to a file, and returns its path."""

    def save(state):
        checkpoint.save(state, tmp_path / "state.safetensors")
        return tmp_path / "state.safetensors"

    return save


def _one_line(error, path):
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("iterations", [0, 1, 3])
@pytest.mark.parametrize("name", ["stateful", "scheduled", "convolutional", "tied"])
def test_a_restored_state_is_the_saved_one_and_resumes_to_the_bit(saved, name, iterations, dtype):
    """Of 30 samples, 16 an iteration: cuts lie at the start, inside an epoch and after one."""
    unbroken = advance(_start(name, dtype=dtype), iterations)
    restored = checkpoint.restore(_start(name, dtype=dtype), checkpoint.load(saved(unbroken)))
    assert differing(unbroken, restored) == []
    for optimizer in restored.optimizers:
        for parameter, moments in optimizer.state.items():
            assert {m.stride() for m in moments.values() if m.shape == parameter.shape} <= {parameter.stride()}
    advance(unbroken, 4)
    torch.rand(5)
    advance(restored, 4)
    assert differing(unbroken, restored) == []


def test_what_a_continuation_needs_is_in_the_file():
    """Each part left at its start would give other numbers: so the test above can fail for each."""
    fresh, trained = numbers(_start()), numbers(advance(_start(), 3))
    same = [name for name, value in trained.items() if name in fresh and torch.equal(value, fresh[name])]
    assert same == ["random.noise"]


def test_history_and_seconds_are_restored(saved):
    state = advance(_start(), 2)
    state.seconds = 1.25
    state.warmup_seconds = 2.0
    flush(state)
    advance(state, 3)
    begun = _start()
    begun.warmup_seconds = 0.5
    restored = checkpoint.restore(begun, checkpoint.load(saved(state)))
    assert (restored.seconds, restored.warmup_seconds) == (1.25, 2.5)
    assert restored.history.rows == state.history.rows
    assert restored.history.rows[0]["step"] == 2
    assert sum(map(len, restored.history.pending)) == 3
    assert flush(restored) == flush(state)


def test_a_run_that_was_restored_saves_the_same_content(saved):
    """To the digest; the order of a file's metadata is random."""
    path = saved(advance(_start(), 2))
    first, metadata = tensors.load_tensors(path)
    saved(checkpoint.restore(_start(), checkpoint.load(path)))
    again, metadata_again = tensors.load_tensors(path)
    assert metadata_again == metadata
    assert again.keys() == first.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())


def test_samples_are_those_of_the_state(saved):
    """Of the moving average where there is one."""
    state = advance(_start(), 5)
    sampler = checkpoint.load(saved(state)).sampler("cpu")
    labels = torch.arange(10)
    assert sampler.weights == "ema"
    assert torch.equal(sampler(10, labels=labels), Sampler.of(state)(10, labels=labels))
    raw = Sampler(state.variant, state.networks.generator, state.classes)
    assert not torch.equal(sampler(10, labels=labels), raw(10, labels=labels))
    assert not sampler.generator.training


def test_a_variant_is_loaded_with_its_options(saved):
    loaded = checkpoint.load(saved(advance(_start("small", width=5, widths=(1, 2)), 1)))
    assert loaded.variant.options == {"width": 5, "widths": [1, 2]}
    assert loaded.sampler("cpu").generator.layers[0].out_features == 5
    checkpoint.restore(_start("small", width=5, widths=(1, 2)), loaded)


def test_a_kill_while_writing_leaves_the_old_file(saved, monkeypatch):
    path = saved(advance(_start(), 1))
    content = path.read_bytes()

    def killed(_tensors, draft, _metadata):
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tensors, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        saved(advance(_start(), 2))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "name", "key_words"),
    [
        ({}, "", "has no name"),
        ({"objective": _balanced()}, "small", "'small' was made with options that a file cannot"),
    ],
)
def test_a_variant_that_no_file_can_name_is_not_saved(tmp_path, options, name, key_words):
    state = _start("small", **options)
    state.variant = replace(state.variant, name=name)
    with pytest.raises(GanZooError, match=key_words):
        checkpoint.save(state, tmp_path / "state.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep_previous", [False, True])
def test_the_previous_checkpoint_stays_if_requested(tmp_path, keep_previous):
    path, state = tmp_path / "state.safetensors", _start()
    for _ in range(3):
        checkpoint.save(advance(state, 1), path, keep_previous=keep_previous)
    found = {file: checkpoint.load(file).facts["counts"]["rounds"] for file in tmp_path.iterdir()}
    assert found == {path: 3} | ({checkpoint.previous(path): 2} if keep_previous else {})


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
def test_a_flipped_bit_of_a_tensor_is_damage(saved, part):
    path = saved(advance(_start(), 1))
    content = bytearray(path.read_bytes())
    content[int(part * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="is damaged") as error:
        checkpoint.load(path)
    _one_line(error, path)


DAMAGE = {
    "missing": None,
    "empty": lambda content: b"",
    "text": lambda content: b"not a checkpoint at all, but long enough to have a header length in it",
    "truncated": lambda content: content[:-100],
    "header cut": lambda content: content[:50],
    "pickle": lambda content: pickle.dumps({"weights": [1, 2, 3]}),
    "folder": None,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_no_checkpoint_is_one_clear_line(saved, damage):
    path = saved(advance(_start(), 1))
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(DAMAGE[damage](content))
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
    ("other", "key_words"),
    [
        (lambda: _start("small"), "variant 'stateful', not 'small'"),
        (lambda: _start(seed=1), "seed 0, not 1"),
        (lambda: _start(lr=0.5), "options {}, not {'lr': 0.5}"),
        (lambda: _start(data=replace(random_data(4, n=30), name="another")), "data 'random', not 'another'"),
        (lambda: _start(data=replace(random_data(4, n=30), fingerprint="f00d")), "fingerprint '', not 'f00d'"),
        (
            lambda: init(registry.get("stateful"), random_data(4, n=30), 0, precision="bf16"),
            "precision 'fp32', not 'bf16'",
        ),
        (lambda: _start(data=random_data(8, n=30)), "does not fit variant 'stateful' as it is now"),
        (lambda: _start(data=random_data(4, n=31)), "does not fit variant 'stateful' as it is now"),
    ],
)
def test_another_run_cannot_resume_it(saved, other, key_words):
    path = saved(advance(_start(), 1))
    with pytest.raises(GanZooError, match=key_words) as error:
        checkpoint.restore(other(), checkpoint.load(path))
    _one_line(error, path)


@pytest.mark.parametrize(
    "name", ["random.latent", "random.default", "generator.layers.0.weight", "order", "objective.k", "of CUDA"]
)
def test_a_tensor_that_is_missing_or_of_another_device_is_one_clear_line(saved, name):
    """CUDA's generators have 16 bytes of state."""
    loaded = checkpoint.load(saved(advance(_start(), 1)))
    loaded.tensors.pop(name, None)
    if name == "of CUDA":
        loaded.tensors["random.order"] = torch.zeros(16, dtype=torch.uint8)
    with pytest.raises(GanZooError, match="does not fit"):
        checkpoint.restore(_start(), loaded)


def test_a_variant_that_has_changed_or_is_missing_cannot_sample(saved):
    loaded = checkpoint.load(saved(advance(_start("small"), 1)))
    registry._factories["small"] = lambda: replace(registry.get("gan"), batch_size=8)
    with pytest.raises(GanZooError, match="does not fit variant 'small'") as error:
        loaded.sampler("cpu")
    assert "\n" not in str(error.value)
    del registry._factories["small"]
    with pytest.raises(GanZooError, match=r"'small'.*--plugin"):
        loaded.sampler("cpu")


ABSENT = object()
FAULTS = {
    "variant": [ABSENT, 5, "../up", "x" * 300],
    "options": [ABSENT, 5, [1]],
    "data": [ABSENT, None, 5],
    "requested": [ABSENT, 5],
    "fingerprint": [ABSENT, 5],
    "seed": [ABSENT, "x", -1, 10**20, 1.5, True],
    "precision": [ABSENT, "fp8"],
    "shape": [ABSENT, "x", [], [-1, 2], [1, 10**6, 10**6], [1, 2, 3, 4], [1.0, 4, 4]],
    "classes": [ABSENT, "x", -1, 10**12, {}],
    "counts": [ABSENT, 5, {}],
    "counts.rounds": [ABSENT, -1, "x", 10**400],
    "counts.seconds": [ABSENT, "x", float("inf"), float("nan")],
    "history": [ABSENT, 5, [5]],
    "history.0.step": [ABSENT, "x"],
    "history.0.values": [ABSENT, [1], {"loss": "x"}],
    "recorded": [ABSENT, 5, [5]],
    "optimizers": [ABSENT, 5, {}],
    "optimizers.generator": [ABSENT, 5],
}


def _rewrite(path, edit):
    """Write a checkpoint again after ``edit(facts, tensors)``, with the digest of its new content."""
    found, metadata = tensors.load_tensors(path)
    facts = json.loads(metadata["facts"])
    edit(facts, found)
    tensors.save_tensors(path, found, {"facts": json.dumps(facts)})


def _put(table, key, value):
    first, dot, rest = key.partition(".")
    first = int(first) if isinstance(table, list) else first
    if dot:
        _put(table[first], rest, value)
    elif value is ABSENT:
        del table[first]
    else:
        table[first] = value


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FAULTS.items() for value in values])
def test_facts_of_another_type_or_size_are_one_clear_line(saved, key, value):
    state = advance(_start("small"), 1)
    flush(state)
    path = saved(state)
    _rewrite(path, lambda facts, _: _put(facts, key, value))
    with pytest.raises(DamagedFileError, match="damaged checkpoint") as error:
        checkpoint.load(path)
    _one_line(error, path)
    assert key.partition(".")[0] in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("facts", ["[" * 100_000 + "]" * 100_000, f'{{"seed": {"9" * 5000}}}'])
def test_facts_that_json_cannot_hold_are_one_clear_line(tmp_path, facts):
    path = tmp_path / "state.safetensors"
    tensors.save_tensors(path, {"weight": torch.zeros(2)}, {"facts": facts})
    with pytest.raises(DamagedFileError, match="damaged") as error:
        checkpoint.load(path)
    _one_line(error, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", 10**6),
        ("shape", [3, 4096, 4096]),
        ("options", {"width": 10**9}),
        ("options", {"latent": 10**12}),
        ("options", {"width": "x"}),
        ("options", {"no_option": 1}),
    ],
)
def test_networks_larger_than_the_file_are_not_built(saved, key, value):
    path = saved(advance(_start("stateful", width=8), 1))
    _rewrite(path, lambda facts, _: _put(facts, key, value))
    with pytest.raises(GanZooError, match="variant 'stateful'") as error:
        checkpoint.load(path).sampler("cpu")
    _one_line(error, path)


def test_many_tensors_that_the_file_has_not_are_not_made():
    with checkpoint._SizeLimit({"a": torch.zeros(4)}):
        torch.empty(checkpoint._SMALL)
        with pytest.raises(GanZooError, match="more than the file has"):
            [torch.empty(checkpoint._SMALL) for _ in range(100)]


def _set(name, change):
    return lambda facts, found: found.update({name: change(found[name])})


@pytest.mark.parametrize(
    "edit",
    [
        _set("order", lambda order: order[:1]),
        _set("order", torch.zeros_like),
        _set("order", lambda order: order + 1),
        _set("random.default", lambda state: state[:16]),
        _set("random.latent", torch.Tensor.float),
        _set("history.pending", lambda rows: rows[:, :1]),
        lambda facts, _: _put(facts, "counts.cursor", 10**9),
        lambda facts, _: _put(facts, "optimizers.generator", {"pairs": 5}),
        lambda facts, _: _put(facts, "optimizers.generator", {"pairs": [["state", {"pairs": []}]]}),
        lambda facts, _: _put(facts, "optimizers.generator", {"tensor": "order"}),
    ],
)
def test_parts_that_do_not_fit_are_not_restored(saved, edit):
    path = saved(advance(_start(), 1))
    _rewrite(path, edit)
    with pytest.raises(GanZooError, match="does not fit") as error:
        checkpoint.restore(_start(), checkpoint.load(path))
    _one_line(error, path)
