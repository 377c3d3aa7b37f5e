import json
from contextlib import contextmanager
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from scipy import stats

from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.tables import Results, tables
from gan_zoo.report import contrast_figures, curves, pareto
from gan_zoo.report.figures import captions, write_figures
from gan_zoo.report.style import Look, figure
from gan_zoo.statistics import Estimate

CURVES = ["fid_images", "fid_discriminator_steps", "fid_seconds"]


def results_of(folder):
    return Results(**tables(folder), manifest=read_manifest(folder))


@pytest.fixture(scope="module")
def mixed(mixed_folder):
    return results_of(mixed_folder)


@pytest.fixture(scope="module")
def compared(make_folder):
    """Four variants, of one of which all seeds failed, under two extractors."""
    gone = {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return results_of(make_folder(["gan", "cgan", "dcgan", "wgan_weight_clipping"], statuses=gone))


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures and axes of what is drawn, in order."""
    made = []

    @contextmanager
    def kept(*given, **named):
        with figure(*given, **named) as (one, axes):
            yield one, axes
        made.append((one, axes))

    for module in (curves, pareto, contrast_figures):
        monkeypatch.setattr(module, "figure", kept)
    return made


def rewrite(folder, change):
    """Change every row of the records: ``change`` gives the row, or None to leave it out."""
    for path in (folder / "cells").glob("*.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None))


def test_captions_in_order_and_only_of_what_there_is(compared, mixed, make_folder):
    said = captions(compared)
    assert list(said) == [*CURVES, "pareto", "contrasts", "is", "bars", "losses", "scores"]
    assert not any("{" in caption for caption in said.values())
    assert "contrasts" not in captions(results_of(make_folder(["gan"], inception=False)))
    assert "contrasts" not in captions(mixed)  # no two variants of which three seeds survived


def test_runs_measured_once_have_no_curves(make_folder):
    folder = make_folder(["gan", "cgan"], inception=False)
    rewrite(folder, lambda row: None if row["row"] == "metrics" and row["fraction"] < 1 else row)
    assert list(captions(results_of(folder))) == ["pareto", "contrasts", "bars", "losses", "scores"]


@pytest.mark.parametrize("recorded", [True, False])
def test_discriminator_steps_are_those_recorded_or_those_of_the_history(make_folder, recorded):
    folder = make_folder(["gan"], seeds=2, inception=False)

    def five_a_step(row):
        if row["row"] == "history":
            row["discriminator_steps"] = 5 * row["step"]
        # Between two rows of the history, which are 50 steps apart.
        if row["row"] == "metrics" and row["step"]:
            row["step"] -= 20
        return row | {"discriminator_steps": 7 * row["step"]} if row["row"] == "metrics" and recorded else row

    rewrite(folder, five_a_step)
    values = curves.evaluations(results_of(folder), "fid")
    trained = values[values["variant"] == "gan"]
    assert len(trained) == 2 * 9
    assert trained["discriminator_steps"].tolist() == ((7 if recorded else 5) * trained["step"]).tolist()


def test_band_is_the_t_interval_of_the_geometric_mean(mixed):
    values = curves.evaluations(mixed, "fid")
    means = curves.means_over_seeds(values[values["variant"] == "gan"], "fid", "seconds")
    assert len(means) == 3 * 9
    for _, seeds in means.groupby("step"):
        logs = np.log(seeds["value"])
        low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
        assert seeds["mean"].to_numpy() == pytest.approx([stats.gmean(seeds["value"])] * 3)
        assert seeds[["low", "high"]].iloc[0].to_numpy() == pytest.approx(np.exp([low, high]))
        assert seeds["at"].to_numpy() == pytest.approx([seeds["seconds"].mean()] * 3)


def test_failed_and_unfinished_seeds_are_in_no_mean(mixed):
    values = curves.evaluations(mixed, "fid")
    means = curves.means_over_seeds(values[values["variant"] != "real"], "fid", "images")
    assert means.loc[means["variant"] == "cgan", "seeds"].eq(2).all()  # the third collapsed
    assert means.loc[means["variant"] == "wgan_weight_clipping", "mean"].isna().all()


@pytest.mark.parametrize(("variants", "panels"), [(["gan", "cgan"], 2), (None, 12)])
@pytest.mark.slow
def test_extractors_never_share_a_panel(make_folder, drawn, tmp_path, variants, panels):
    results = results_of(make_folder(variants) if variants else make_folder())
    curves.write_curves(results, Look.of(results), tmp_path / "a.png", "fid", "images")
    axes = [axis for axis in drawn[0][1] if axis.axison]
    assert len(axes) == panels
    own = [np.concatenate([line.get_ydata() for line in axis.get_lines()]) for axis in axes[: panels // 2]]
    other = [np.concatenate([line.get_ydata() for line in axis.get_lines()]) for axis in axes[panels // 2 :]]
    # The fixture's values under Inception are a third of the level; the floors are 4 and 9.
    assert len({round(float(values.max()), 3) for values in own}) == 1 or variants is None
    assert max(values.max() for values in own) > max(values.max() for values in other)
    if variants is None:
        assert all("mnist-cnn" in axis.get_title() for axis in axes[:6])
        assert all("inception" in axis.get_title() for axis in axes[6:])


def test_front_is_what_no_other_dominates():
    random = np.random.default_rng(0)
    for lower in (True, False):
        points = random.integers(0, 12, (40, 2)).astype(float)  # with ties
        on = pareto.front(points[:, 0], points[:, 1], lower_is_better=lower)

        def beats(one, other, sign=1 if lower else -1):
            gains = (other[0] - one[0], sign * (other[1] - one[1]))
            return min(gains) >= 0 and max(gains) > 0

        for point, kept in zip(points, on, strict=True):
            assert kept == (not any(beats(other, point) for other in points))
    assert pareto.front([1, 2, 2], [3, 3, 1], lower_is_better=True) == [True, False, True]
    assert pareto.front([1, 1], [2, 2], lower_is_better=True) == [True, True]


@pytest.mark.parametrize("seed", range(4))
def test_names_of_twelve_variants_do_not_overlap(mixed, drawn, tmp_path, monkeypatch, seed):
    random = np.random.default_rng(seed)
    template = next(entry for entry in pareto.rank(mixed) if entry.kind == "ranked")
    entries = []
    for place in range(12):
        mean = float(30 * random.lognormal(sigma=0.4))
        value = Estimate(mean, mean / 1.2, mean * 1.2, 3, "t on log")
        facts = {"variant": f"variant_{place:02d}", "value": value, "seconds": float(60 * random.lognormal(sigma=0.5))}
        entries.append(type(template)(**(vars(template) | facts)))
    monkeypatch.setattr(pareto, "rank", lambda _: entries)
    look = Look("MNIST", "", {e.variant: "C0" for e in entries}, {e.variant: "o" for e in entries}, {})
    pareto.write_pareto(mixed, look, tmp_path / "a.png")
    one, (axis,) = drawn[0]
    boxes = [Text.get_window_extent(child, one._get_renderer()) for child in axis.get_children()
             if isinstance(child, Annotation)]  # fmt: skip
    assert len(boxes) == 12
    assert not [1 for first, second in combinations(boxes, 2) if Bbox.intersection(first, second) is not None]


def test_pareto_marks_failures_and_keeps_a_failing_variant_off_the_front(make_folder, drawn, tmp_path):
    statuses = {("gan", 0): "diverged", ("gan", 1): "diverged", ("cgan", 2): "collapsed"}
    results = results_of(make_folder(["gan", "cgan", "dcgan"], inception=False, statuses=statuses))
    pareto.write_pareto(results, Look.of(results), tmp_path / "a.png")
    (axis,) = drawn[0][1]
    names = {child.get_text(): child.get_weight() for child in axis.get_children() if isinstance(child, Annotation)}
    # gan has the least FID and the least seconds in the fixture, but one surviving seed of three.
    assert names == {"gan\n2 of 3 failed": "normal", "cgan\n1 of 3 failed": "bold", "dcgan†": "normal"}


def test_pareto_and_contrasts_of_runs_that_all_failed(make_folder, tmp_path):
    folder = make_folder(["gan", "cgan"], seeds=1, inception=False,
                         statuses={("gan", 0): "diverged", ("cgan", 0): "diverged"})  # fmt: skip
    assert [path.stem for path in write_figures(results_of(folder), tmp_path) if not path.is_file()] == []


def test_contrasts_are_drawn_where_they_were_measured(compared, drawn, tmp_path):
    contrast_figures.write_contrasts(compared, Look.of(compared), tmp_path / "a.png")
    (axis,) = drawn[0][1]
    rows = contrast_figures.contrast_rows(compared)
    assert set(rows["extractor"]) == {"mnist-cnn"}
    marks = {round(float(line.get_ydata()[0])): float(line.get_xdata()[0]) for line in axis.get_lines()
             if len(line.get_xdata()) == 1}  # fmt: skip
    for place, row in enumerate(rows.to_dict("records")):
        if np.isfinite(row["ratio"]):
            assert marks[place] == row["ratio"]
        else:
            assert place not in marks
    said = {text.get_text().strip() for text in axis.texts}
    assert {"no surviving seed", "p (Holm)"} <= said
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert "wgan_weight_clipping\n3 of 3 failed" in names


def test_the_verdict_of_the_caption_is_the_verdict_of_the_rows(make_folder):
    two, many = (
        results_of(make_folder(names, inception=False)) for names in (["gan", "cgan"], ["gan", "cgan", "dcgan"])
    )
    assert "at most 0.05." in contrast_figures.contrast_caption(two)
    assert "at most 0.025 (half of 0.05" in contrast_figures.contrast_caption(many)
