"""Several results folders: differences of the protocol are refused by name, a planted regression is found."""

import json
import math

import numpy as np
import pytest
from scipy import optimize, stats

from gan_zoo.bench.compare import REGRESSION, compare
from gan_zoo.errors import GanZooError

DATA = {"name": "mnist", "title": "MNIST", "fingerprint": "cd" * 32}
CNN = "mnist-cnn (abababababab)"
DATA |= {"shape": [1, 32, 32], "kind": "images", "classes": 10}


def refusal(*folders, **options):
    with pytest.raises(GanZooError) as refused:
        compare(folders, **options)
    return str(refused.value).splitlines()


UNLIKE = [
    ({"num_samples": 500}, "num_samples: 2,000 in a and 500 in b"),
    ({"extractor": ("mnist-cnn", "ac" * 32)}, f"extractor: {CNN} in a and mnist-cnn (acacacacacac) in b"),
    ({"extractor": ("inception", "ab" * 32)}, f"extractor: {CNN} in a and inception (abababababab) in b"),
    ({"data": DATA | {"shape": [1, 64, 64]}}, "image size: 32 x 32, 1 channel in a and 64 x 64, 1 channel in b"),
    ({"data": DATA | {"fingerprint": "ce" * 32}}, "data: mnist (cdcdcdcdcdcd) in a and mnist (cececececece) in b"),
    ({"data": DATA | {"name": "digits"}}, "data: mnist (cdcdcdcdcdcd) in a and digits (cdcdcdcdcdcd) in b"),
    ({"reference": "train"}, "reference split: test in a and train in b"),
    ({"metric": "jsd"}, "primary metric: FID in a and JSD in b"),
]


@pytest.mark.parametrize(("change", "line"), UNLIKE)
def test_unlike_folders_are_refused_with_what_differs(write, change, line):
    folders = write("a", gan=[20.0, 21.0]), write("b", gan=[20.0, 21.0], **change)
    for allow in ([], ["precision", "versions", "budget"]):
        lines = refusal(*folders, allow=allow)
        assert lines[1:] == [line]
        assert "not comparable" in lines[0]


ALLOWABLE = [
    ("precision", {"precision": "bf16"}, "precision: fp32 in a and bf16 in b"),
    ("versions", {"versions": {"torch": "2.10.0"}}, "versions: torch 2.9.0 in a and torch 2.10.0 in b"),
    ("budget", {"images": 240_000}, "budget: 96,000 images in a and 240,000 images in b"),
]


@pytest.mark.parametrize(("field", "change", "line"), ALLOWABLE)
def test_what_may_differ_is_refused_until_it_is_allowed_and_then_noted(write, field, change, line):
    torch = {"versions": {"torch": "2.9.0"}}
    folders = write("a", gan=[20.0, 21.0], **torch), write("b", gan=[20.0, 21.0], **(torch | change))
    others = [name for name, *_ in ALLOWABLE if name != field]
    assert refusal(*folders, allow=others)[1:] == [f"{line}; --allow {field} accepts it"]
    assert f"{line}: allowed to differ" in compare(folders, allow=[field]).notes


def test_each_difference_has_a_line_of_its_own_and_all_folders_are_looked_at(write):
    folders = write("a", gan=[20.0]), write("b", gan=[20.0]), write("c", gan=[20.0], num_samples=500, precision="tf32")
    assert refusal(*folders)[1:] == [
        "num_samples: 2,000 in a and 500 in c",
        "precision: fp32 in a and tf32 in c; --allow precision accepts it",
    ]


def test_nothing_else_can_be_allowed(write):
    (line,) = refusal(write("a", gan=[20.0]), write("b", gan=[20.0]), allow=["num_samples"])
    assert line.startswith("'num_samples' cannot be allowed")


def test_rows_of_two_protocols_within_one_folder_are_refused(write):
    folder = write("b", gan=[20.0, 21.0])
    path = folder / "records" / "gan-seed1-b.jsonl"
    path.write_text(path.read_text().replace('"num_samples": 2000', '"num_samples": 500'))
    (line,) = refusal(write("a", gan=[20.0]), folder)
    assert "num_samples: 2,000 and 500" in line


def test_bad_folders_are_one_line(write, tmp_path):
    good, empty, bare = write("a", gan=[20.0]), write("empty", gan=[20.0]), write("bare", gan=[20.0, 21.0])
    assert "two or more" in refusal(good)[0]
    assert "named twice" in refusal(good, tmp_path / "empty" / ".." / "a")[0]
    for file in (empty / "records").iterdir():
        file.unlink()
    assert "nothing was measured yet" in refusal(good, empty)[0]
    manifest = json.loads((empty / "manifest.json").read_text())
    (empty / "manifest.json").write_text(json.dumps(manifest | {"extractors": {}}))
    assert "nothing was measured" in refusal(good, empty)[0]
    (bare / "records" / "gan-seed1-bare.jsonl").write_text('{"row":"begin"}\n')
    damage = "gan-seed1-bare.jsonl is damaged in line 1: key 'variant'"
    assert any(damage in note for note in compare([good, bare]).notes)


def test_the_ranking_merges_all_variants_each_with_its_folder(write):
    first = write("a", gan=[30.0, 40.0, 36.0], dcgan=["diverged", "collapsed", "diverged"])
    second = write("b", gan=[20.0, 24.0, 22.0], wgan=[90.0, 80.0, None])
    found = compare([first, second])
    ranking = found.ranking.set_index("name")
    assert list(ranking.index) == ["gan (b)", "gan (a)", "wgan (b)", "real (a)", "real (b)", "dcgan (a)"]
    assert ranking["rank"].dropna().tolist() == [1, 2, 3]
    assert ranking.loc["gan (a)", "mean"] == pytest.approx((30 * 40 * 36) ** (1 / 3))
    assert ranking.loc["dcgan (a)", "failures"] == 3
    assert ranking.loc["wgan (b)", ["seeds", "unfinished"]].tolist() == [2, 1]
    assert ranking.loc["gan (b)", "not_different"]
    assert not ranking.loc[["real (a)", "dcgan (a)"], "not_different"].any()
    assert "unfinished seeds of b are not in the means: wgan (1)" in found.notes


def test_runs_that_have_not_started_are_noted(write):
    first, second = write("a", gan=[20.0, 21.0]), write("b", gan=[20.0, 21.0])
    (second / "records" / "gan-seed1-b.jsonl").unlink()
    assert "1 of 3 runs of b have not started" in compare([first, second]).notes


def test_folders_of_one_name_are_named_with_those_above_them(write):
    found = compare([write("x/run", gan=[20.0]), write("y/run", gan=[21.0])])
    assert list(found.ranking["name"])[:2] == ["gan (x/run)", "gan (y/run)"]


def planted(random, factor, variants=("gan", "cgan", "dcgan"), seeds=5):
    """Five seeds a variant with a spread of 10%, the first variant ``factor`` times as far from the data."""
    return {
        variant: [float(value) for value in 30 * (factor if place == 0 else 1) * np.exp(random.normal(0, 0.1, seeds))]
        for place, variant in enumerate(variants)
    }


def test_a_planted_regression_is_found_with_its_size_and_others_are_not_blamed(write):
    random = np.random.default_rng(0)
    folders = write("old", **planted(random, 1.0)), write("new", **planted(random, 1.6))
    found = compare(folders)
    rows = found.contrasts.set_index("variant")
    assert rows["verdict"].tolist() == [REGRESSION, "not significantly different", "not significantly different"]
    assert rows["because"].tolist() == ["FID", "", ""]
    assert rows.loc["gan", "low"] < 1.6 < rows.loc["gan", "high"]
    assert found.regressions == ["gan (new)"]
    back = compare(folders[::-1])
    assert back.regressions == []
    assert back.contrasts.set_index("variant").loc["gan", "verdict"] == "improved"


@pytest.mark.slow
def test_without_a_regression_hardly_any_comparison_claims_one(write):
    random, claimed = np.random.default_rng(1), 0
    for draw in range(12):
        folders = [write(f"{name}{draw}", **planted(random, 1.0)) for name in ("old", "new")]
        claimed += bool(compare(folders).regressions)
    assert claimed <= 2  # three or more of twelve have a probability of 0.02 at an error rate of 5%


def test_runs_that_now_all_fail_are_a_regression_though_nothing_is_left_to_measure(write):
    old = write("old", gan=[20.0, 21.0, 22.0, 20.5, 21.5], cgan=[20.0, 21.0, 22.0, 20.5, 21.5])
    new = write("new", gan=["diverged"] * 5, cgan=[20.0, "diverged", 21.0, 22.0, 20.6])
    found = compare([old, new])
    rows = found.contrasts.set_index("variant")
    assert found.regressions == ["gan (new)"]
    assert rows.loc["gan", "because"] == "failures"
    # Of all ways to spread 5 failures over 10 runs, one puts them all into the later five; Holm doubles it.
    assert rows.loc["gan", "p_failures"] == pytest.approx(2 / 252)
    assert rows.loc["cgan", "verdict"] == "not significantly different"


@pytest.mark.parametrize("seeds", [1, 3])
def test_few_seeds_of_many_variants_that_now_all_fail_are_a_regression(write, seeds):
    others = {f"other{number}": [30.0 + number + seed for seed in range(seeds)] for number in range(6)}
    old = write("old", gan=[20.0 + seed for seed in range(seeds)], dead=["diverged"] * seeds, **others)
    new = write("new", gan=["collapsed"] * seeds, dead=["diverged"] * seeds, **others)
    found = compare([old, new])
    assert found.regressions == ["gan (new)"]
    assert found.contrasts.set_index("variant").loc["gan", "because"] == "failures"
    assert compare([new, old]).regressions == []


def test_a_successful_or_an_unfinished_seed_is_no_regression_without_a_test(write):
    old = write("old", gan=[20.0, 21.0, 22.0], cgan=[20.0, 21.0, 22.0])
    assert compare([old, write("one", gan=[20.0, "diverged", "diverged"], cgan=[None] * 3)]).regressions == []


def test_failures_and_the_measure_share_the_error_rate_of_all_contrasts(write):
    # Two variants in two folders are four names: 5% are halved for the ranking, and again between the two tests.
    old = {"gan": [20.0, 21.0, 22.0, 20.5, 21.5], "cgan": [20.0, 21.0, 22.0, 20.5, 21.5]}
    four = ["diverged"] * 4 + [20.2]
    found = compare([write("old", **old), write("new", gan=four, cgan=old["cgan"])])
    rows = found.contrasts.set_index("variant")
    assert found.alpha == 0.0125
    assert rows.loc["gan", "p_failures"] == pytest.approx(5 / 210)  # all 4 of 10 runs among the later 5; below 2.5%
    assert math.isnan(rows.loc["cgan", "p_failures"])  # where none failed there is nothing to test, or to count
    assert found.regressions == []
    assert compare([write("before", gan=old["gan"]), write("after", gan=four)]).regressions == ["gan (after)"]


def shifted(p):
    """Five values and as many that are worse, with the p-value ``p`` of Welch's test on logarithms."""
    logs = np.array([-0.1, -0.05, 0.0, 0.05, 0.1])

    def beyond(shift):
        return stats.ttest_ind(logs, logs + shift, equal_var=False).pvalue - p

    shift = optimize.brentq(beyond, 1e-6, 2.0)
    return [float(value) for value in 20 * np.exp(logs)], [float(value) for value in 20 * np.exp(logs + shift)]


def test_a_failure_anywhere_halves_the_error_rate_of_the_metric(write):
    before, after = shifted(0.009)
    old = write("old", gan=before, cgan=before)
    clean = compare([old, write("clean", gan=after, cgan=before)])
    assert clean.alpha == 0.025
    assert clean.contrasts["p_adjusted"].iloc[0] == pytest.approx(0.018)
    assert clean.regressions == ["gan (clean)"]
    failed = compare([old, write("failed", gan=after, cgan=[*before[:4], "diverged"])])
    assert failed.alpha == 0.0125
    assert failed.contrasts["p_adjusted"].iloc[0] == pytest.approx(0.018)
    assert failed.regressions == []


def test_with_too_few_seeds_nothing_is_claimed(write):
    found = compare([write("old", gan=[20.0, 20.1]), write("new", gan=[90.0, 90.1])])
    assert found.contrasts["verdict"].tolist() == ["too few seeds"]
    assert found.regressions == []


def test_points_are_ranked_by_their_own_measure(write):
    density = {"means": [[0.5, 0.5]], "weights": [1.0], "deviation": 0.1, "bins": 10, "scale": 1.0}
    points = DATA | {"name": "ring8", "shape": [2], "kind": "points", "classes": 8, "density": density}
    shared = {"data": points, "metric": "jsd", "reference": "truth", "extractor": ("density", "ef" * 32)}
    found = compare([write("a", gan=[0.2, 0.3], **shared), write("b", gan=[0.1, 0.2], **shared)])
    assert found.metric.name == "jsd"
    assert found.ranking["name"].tolist()[:2] == ["gan (b)", "gan (a)"]
    assert found.ranking["mean"].iloc[0] == pytest.approx(0.02**0.5)
