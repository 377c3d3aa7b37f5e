"""Faults of real images, and the response of the metrics to them."""

import pandas as pd
import pytest
import torch

from benchmarks.studies.metric_sensitivity import FAULTS, NONE, Source, main, sensitivity, verdicts
from gan_zoo import data
from gan_zoo.data import Split
from gan_zoo.errors import GanZooError

BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def source():
    digits = data.load("digits", side=32)
    return Source(Split(digits.test.images, digits.test.labels), digits.train, digits.classes, num_samples=100)


def spoiled(source, name, strength, seed=3):
    fault = {**BY_NAME, "none": NONE}[name]
    return fault.make(source, strength, torch.Generator().manual_seed(seed))


def by_bytes(split):
    """The label of each image by its pixels."""
    return {image.numpy().tobytes(): int(label) for image, label in zip(split.images, split.labels, strict=True)}


def test_a_draw_is_of_different_images_with_their_labels(source):
    images, labels = spoiled(source, "none", 0)
    known = by_bytes(source.held_out)
    assert [known[image.numpy().tobytes()] for image in images] == labels.tolist()
    assert not torch.equal(images, spoiled(source, "none", 0, seed=4)[0])


def test_faults_of_pixels(source):
    before = spoiled(source, "none", 0)[0]
    deviations = [before.float().std()]
    for sigma in BY_NAME["blur"].strengths:
        images = spoiled(source, "blur", sigma)[0].float()
        assert images.mean() == pytest.approx(before.float().mean().item(), rel=0.05)
        deviations.append(images.std())
    assert deviations == sorted(deviations, reverse=True)
    shifted = spoiled(source, "shift", 4)[0]
    assert torch.equal(shifted[..., 4:], before[..., :-4])
    assert shifted[..., :4].max() == 0
    middle = (before > 60) & (before < 195)  # where nothing is clipped
    noise = (spoiled(source, "noise", 10)[0].int() - before.int())[middle]
    assert noise.float().std() == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("count", [1, 3])
def test_lost_classes_are_gone_and_the_sample_stays_full(source, count):
    _, labels = spoiled(source, "lost classes", count)
    assert (len(labels), len(labels.unique())) == (100, 10 - count)
    lost = {tuple(spoiled(source, "lost classes", count, seed)[1].unique().tolist()) for seed in range(6)}
    assert len(lost) > 1


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_copies_are_training_images_with_their_labels(source, share):
    images, labels = spoiled(source, "copied", share)
    training, held_out = by_bytes(source.training), by_bytes(source.held_out)
    pixels = [image.numpy().tobytes() for image in images]
    copies = round(100 * share)
    assert [training[each] for each in pixels[:copies]] == labels[:copies].tolist()
    assert sum(each in training and each not in held_out for each in pixels) == pytest.approx(copies, abs=1)


def test_repeated_images_are_as_many_fewer(source):
    images, labels = spoiled(source, "repeated", 10)
    assert (len(images), len(images.flatten(1).unique(dim=0))) == (100, 10)
    assert torch.equal(labels, spoiled(source, "none", 0)[1][torch.arange(100) // 10])


def test_faults_leave_the_split_as_it_is(source):
    before = source.held_out.images.clone(), source.training.images.clone()
    for fault in FAULTS:
        spoiled(source, fault.name, fault.strengths[-1])
    assert torch.equal(source.held_out.images, before[0])
    assert torch.equal(source.training.images, before[1])


def test_too_few_images_of_the_classes_that_are_left_are_refused(source):
    with pytest.raises(GanZooError, match="--num-samples 350"):
        spoiled(Source(source.held_out, source.training, 10, num_samples=350), "lost classes", 3)


def rows_of(name, floor, *fault):
    made = [("none", 0.0, draw, value) for draw, value in enumerate(floor)]
    made += [("blur", 1.0, draw, value) for draw, value in enumerate(fault)]
    frame = pd.DataFrame(made, columns=["fault", "strength", "draw", "value"])
    return frame.assign(metric=name, unit=frame["fault"].map({"none": "", "blur": "pixels"}))


@pytest.mark.parametrize(
    ("name", "floor", "fault", "expected"),
    [
        # Mean 0, deviation 1, t(0.975, 2) = 4.303: the spread of one more draw reaches to 4.303 sqrt(4 / 3) = 4.968.
        ("kid", [-1.0, 0.0, 1.0], [4.9, 4.9], ("not seen", 4.9 / 4.968)),
        ("kid", [-1.0, 0.0, 1.0], [5.0, 5.1], ("worse", 5.05 / 4.968)),
        ("kid", [-1.0, 0.0, 1.0], [-9.936, -9.936], ("better", -2.0)),
        ("precision", [-1.0, 0.0, 1.0], [9.936, 9.936], ("better", -2.0)),
        ("precision", [-1.0, 0.0, 1.0], [-9.936, -9.936], ("worse", 2.0)),
        # One half is best: away from it is worse, on both sides.
        ("memorization", [0.49, 0.5, 0.51], [0.1, 0.1], ("worse", 0.4 / 0.04968)),
        ("memorization", [0.49, 0.5, 0.51], [0.9, 0.9], ("worse", 0.4 / 0.04968)),
        # Without a spread any change is seen, and none is not.
        ("modes", [10.0, 10.0, 10.0], [10.0, 10.0], ("not seen", 0.0)),
        ("modes", [10.0, 10.0, 10.0], [10.0, 9.0], ("worse", float("inf"))),
    ],
)
def test_a_fault_is_seen_past_the_spread_without_it(name, floor, fault, expected):
    none, blur = verdicts(rows_of(name, floor, *fault)).to_dict("records")
    assert none["verdict"] == "not seen"
    assert (blur["verdict"], blur["change"]) == (expected[0], pytest.approx(expected[1], 1e-3))


def test_on_digits_what_must_be_seen_is_seen(tmp_path):
    assert main(["--smoke", "--out", str(tmp_path)]) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json", ".png", ".md"}
    keys = ["fault", "strength", "metric"]
    found = verdicts(pd.read_csv(tmp_path / "sensitivity.csv", keep_default_na=False)).set_index(keys)
    # A sample of training images, the loss of classes, and noise.
    assert found.loc[("copied", 1.0, "memorization"), "mean"] > 0.99
    assert found.loc[("copied", 1.0, "memorization"), "verdict"] == "worse"
    assert found.loc[("lost classes", 3.0, "modes"), "mean"] == pytest.approx(7.0, abs=0.5)
    assert found.loc[("noise", 90.0, "fid"), "verdict"] == "worse"
    assert found.loc[("repeated", 50.0, "recall"), "verdict"] == "worse"
    assert 0.3 < found.loc[("none", 0.0, "memorization"), "mean"] < 0.7
    lines = (tmp_path / "sensitivity.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) - 1 == len(found.reset_index().drop_duplicates(["fault", "strength"]))


@pytest.mark.parametrize(("num_samples", "draws", "word"), [(129, 1, "--draws"), (100, 3, "129")])
def test_impossible_numbers_are_refused(num_samples, draws, word):
    with pytest.raises(GanZooError, match=word):
        sensitivity("digits", None, num_samples, draws)
