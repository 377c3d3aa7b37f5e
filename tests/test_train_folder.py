"""`gan_zoo.train` with a folder or a checkpoint: extended and resumed to the bit, and what is refused."""

import json

import pytest
import torch

import gan_zoo
from gan_zoo import GanZooError
from gan_zoo.tensors import load_tensors, save_tensors

SMALL = {"batch_size": 8, "ema": 0.9}


def small(**options):
    return gan_zoo.get("gan", **SMALL, **options)


def weights(run):
    return {
        f"{side}.{name}": value
        for side, network in [*run.state.networks._asdict().items(), ("ema", run.state.ema)]
        for name, value in network.state_dict().items()
    }


def assert_same(one, other):
    assert one.state.iterations == other.state.iterations
    assert all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())
    columns = one.history.columns.drop("seconds")
    assert one.history[columns].equals(other.history[columns])


@pytest.fixture
def whole():
    """A run of 70 steps in one go, grey digits drawn in three channels."""
    return gan_zoo.train(small(), "digits", steps=70, seed=3, channels=3)


@pytest.mark.slow
def test_a_saved_run_is_continued_to_the_bit(whole, tmp_path):
    """Options, channels, seed and precision come from the checkpoint."""
    run = gan_zoo.train(small(), "digits", steps=40, seed=3, channels=3)
    run.save(tmp_path / "run.safetensors")
    assert_same(gan_zoo.train(resume=tmp_path / "run.safetensors", steps=70), whole)


@pytest.mark.slow
@pytest.mark.parametrize("by_path", [False, True])
def test_a_folder_is_extended_to_the_bit(whole, no_report, tmp_path, by_path):
    options = {"seed": 3, "channels": 3, "evaluate": False, "out": tmp_path / "out"}
    first = gan_zoo.train(small(), "digits", steps=40, **options)
    assert (first.status, first.state.iterations) == ("ok", 40)
    assert_same(gan_zoo.train(small(), "digits", steps=40, **options), first)
    if by_path:
        assert_same(gan_zoo.train(resume=tmp_path / "out", steps=70), whole)
    else:
        assert_same(gan_zoo.train(small(), "digits", steps=70, **options), whole)
    checkpoints = (tmp_path / "out" / "checkpoints").glob("gan-*.safetensors")
    (saved,) = (path for path in checkpoints if ".previous" not in path.name)
    assert_same(gan_zoo.train(resume=saved, steps=75), gan_zoo.train(small(), "digits", steps=75, seed=3, channels=3))


def test_a_folder_keeps_the_precision_and_the_threads_of_its_run(no_report, tmp_path):
    """Other threads would be another run, trained from the start."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        options = {"precision": "bf16", "evaluate": False, "out": tmp_path / "out"}
        gan_zoo.train(small(), "digits", steps=4, **options)
        torch.set_num_threads(2)
        run = gan_zoo.train(resume=tmp_path / "out", steps=6)
    finally:
        torch.set_num_threads(before)
    assert (run.state.precision, run.state.iterations) == ("bf16", 6)
    (records,) = (tmp_path / "out" / "records").glob("gan-*.jsonl")
    assert records.read_text().count('"row":"begin"') == 1


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of 4 steps."""
    gan_zoo.train(small(), "digits", steps=4).save(tmp_path / "run.safetensors")
    return tmp_path / "run.safetensors"


@pytest.mark.parametrize("budget", [{"steps": 3}, {"steps": 4}, {"images": 30}])
def test_a_budget_that_is_used_up_is_one_line(saved, budget):
    with pytest.raises(GanZooError, match=r"has 4 steps, which the budget of .* does not exceed"):
        gan_zoo.train(resume=saved, **budget)


def test_what_cannot_be_resumed_is_one_line(saved, bench, tmp_path, monkeypatch):
    bench(seeds=[0], variants=["by_heart"])
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(saved.read_bytes()[:-1] + b"x")
    for path, words in (
        (tmp_path / "out", "holds a comparison"),
        (tmp_path / "nowhere", "does not exist"),
        (damaged, "is damaged"),
        (tmp_path, "is not a results folder"),
    ):
        with pytest.raises(GanZooError, match=words) as error:
            gan_zoo.train(resume=path, steps=9)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(GanZooError, match="leave out variant and out"):
        gan_zoo.train("gan", resume=saved, steps=9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"backbone": {"name": "mlp", "generator": [10**9]}}}, "more than the file has"),
        ({"options": {**SMALL, "image_side": 10**6}}, "image_side is 1000000"),
        ({"data": "gone", "requested": "gone"}, "unknown data set 'gone'"),
        ({"history": 5}, "'history' is 5"),
    ],
)
def test_facts_that_ask_for_something_else_are_one_line(saved, changes, words):
    tensors, metadata = load_tensors(saved)
    save_tensors(saved, tensors, {"facts": json.dumps(json.loads(metadata["facts"]) | changes)})
    with pytest.raises(GanZooError, match=words) as error:
        gan_zoo.train(resume=saved, steps=9)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suite", [None, {}, {"presets": 5}, {"presets": {"train": {}}}, {"variants": 5}])
def test_a_manifest_without_a_suite_is_one_line(saved, no_report, tmp_path, suite):
    folder = tmp_path / "out"
    gan_zoo.train(small(), "digits", steps=2, evaluate=False, out=folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["suite"] = {**manifest["suite"], **suite} if suite else suite
    if suite is None:
        del manifest["suite"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GanZooError, match="manifest") as error:
        gan_zoo.train(resume=folder, steps=4)
    assert "\n" not in str(error.value)


def test_a_variant_that_is_not_registered_here_is_one_line(toys, tmp_path):
    from gan_zoo import registry

    gan_zoo.load_plugin(toys)
    gan_zoo.train("sibling", "digits", steps=2).save(tmp_path / "run.safetensors")
    del registry._factories["sibling"]
    with pytest.raises(GanZooError, match="'sibling', which is not registered here"):
        gan_zoo.train(resume=tmp_path / "run.safetensors", steps=4)


def test_data_that_has_changed_is_one_line(tmp_path):
    from PIL import Image

    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(40):
        Image.new("L", (32, 32), 5 * number).save(folder / f"{number}.png")
    run = gan_zoo.train(small(), f"folder:{folder}", steps=4)
    run.save(tmp_path / "run.safetensors")
    assert gan_zoo.train(resume=tmp_path / "run.safetensors", steps=6).state.iterations == 6
    Image.new("L", (32, 32), 7).save(folder / "3.png")
    with pytest.raises(GanZooError, match="fingerprint"):
        gan_zoo.train(resume=tmp_path / "run.safetensors", steps=6)
