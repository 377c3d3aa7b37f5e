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


def test_a_draw_is_of_different_images_with_their_labels(source):
    images, labels = spoiled(source, "none", 0)
    pairs = zip(source.held_out.images, source.held_out.labels, strict=True)
    rows = {image.numpy().tobytes(): int(label) for image, label in pairs}
    assert len(images) == 100
    assert all(rows[image.numpy().tobytes()] == int(label) for image, label in zip(images, labels, strict=True))
    assert not torch.equal(images, spoiled(source, "none", 0, seed=4)[0])


def test_blur_keeps_the_gray_and_takes_the_contrast(source):
    before = spoiled(source, "none", 0)[0].float()
    deviations = [before.std()]
    for sigma in BY_NAME["blur"].strengths:
        images = spoiled(source, "blur", sigma)[0].float()
        assert images.mean() == pytest.approx(before.mean().item(), rel=0.05)
        deviations.append(images.std())
    assert deviations == sorted(deviations, reverse=True)


def test_a_shift_moves_all_by_whole_pixels(source):
    before, after = spoiled(source, "none", 0)[0], spoiled(source, "shift", 4)[0]
    assert torch.equal(after[..., 4:], before[..., :-4])
    assert after[..., :4].max() == 0


def test_noise_has_the_deviation_that_it_is_named_for(source):
    before, after = spoiled(source, "none", 0)[0].int(), spoiled(source, "noise", 10)[0].int()
    middle = (before > 60) & (before < 195)  # where nothing is clipped
    assert (after - before)[middle].float().std() == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("count", [1, 3])
def test_lost_classes_are_gone_and_the_sample_stays_full(source, count):
    _, labels = spoiled(source, "lost classes", count)
    assert len(labels) == 100
    assert len(labels.unique()) == 10 - count
    lost = {tuple(spoiled(source, "lost classes", count, seed)[1].unique().tolist()) for seed in range(6)}
    assert len(lost) > 1


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_copies_are_training_images_with_their_labels(source, share):
    images, labels = spoiled(source, "copied", share)
    known = {image.numpy().tobytes() for image in source.training.images}
    held = {image.numpy().tobytes() for image in source.held_out.images}
    copies = sum(image.numpy().tobytes() in known - held for image in images)
    assert copies == pytest.approx(100 * share, abs=1)  # the digits have duplicates
    by_image = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(source.training.images, source.training.labels, strict=True)
    }
    made = images[: round(100 * share)], labels[: round(100 * share)]
    assert all(by_image[image.numpy().tobytes()] == int(label) for image, label in zip(*made, strict=True))


def test_repeated_images_are_as_many_fewer(source):
    images, labels = spoiled(source, "repeated", 10)
    assert len(images) == 100
    assert len(images.flatten(1).unique(dim=0)) == 10
    assert torch.equal(labels, spoiled(source, "none", 0)[1][torch.arange(100) // 10])


def test_faults_leave_the_split_as_it_is(source):
    before = source.held_out.images.clone(), source.training.images.clone()
    for fault in FAULTS:
        for strength in fault.strengths:
            fault.make(source, strength, torch.Generator().manual_seed(0))
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
    found = verdicts(rows_of(name, floor, *fault)).set_index("fault")
    assert found.loc["none", "verdict"] == "not seen"
    assert (found.loc["blur", "verdict"], found.loc["blur", "change"]) == (
        expected[0],
        pytest.approx(expected[1], 1e-3),
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A run on the digits."""
    folder = tmp_path_factory.mktemp("trust")
    assert main(["--smoke", "--out", str(folder)]) == 0
    return folder


def test_on_digits_what_must_be_seen_is_seen(out):
    found = verdicts(pd.read_csv(out / "sensitivity.csv", keep_default_na=False)).set_index(
        ["fault", "strength", "metric"]
    )
    # A sample of training images, the loss of classes, and noise.
    assert found.loc[("copied", 1.0, "memorization"), "mean"] > 0.99
    assert found.loc[("copied", 1.0, "memorization"), "verdict"] == "worse"
    assert found.loc[("lost classes", 3.0, "modes"), "mean"] == pytest.approx(7.0, abs=0.5)
    assert found.loc[("noise", 90.0, "fid"), "verdict"] == "worse"
    assert found.loc[("repeated", 50.0, "recall"), "verdict"] == "worse"
    assert 0.3 < found.loc[("none", 0.0, "memorization"), "mean"] < 0.7


def test_numbers_are_those_of_the_table(out):
    assert {path.suffix for path in out.iterdir()} == {".csv", ".json", ".png", ".md"}
    found = verdicts(pd.read_csv(out / "sensitivity.csv", keep_default_na=False))
    rows = [line for line in (out / "sensitivity.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) - 2 == len(found.drop_duplicates(["fault", "strength"]))


@pytest.mark.parametrize(("num_samples", "draws", "word"), [(129, 1, "--draws"), (100, 3, "129")])
def test_impossible_numbers_are_refused(num_samples, draws, word):
    with pytest.raises(GanZooError, match=word):
        sensitivity("digits", None, num_samples, draws)
