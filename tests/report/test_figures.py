import json
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import stats

from gan_zoo.bench.tables import read_records
from gan_zoo.report.figures import captions, curves, final_values, write_figures
from gan_zoo.report.figures.style import Look, figure

CURVES = ["fid_images", "fid_discriminator_steps", "fid_seconds"]


@pytest.fixture(scope="module")
def mixed(mixed_folder):
    return read_records(mixed_folder)


@pytest.fixture(scope="module")
def compared(make_folder):
    """Four variants, of one of which all seeds failed, under two extractors."""
    gone = {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return read_records(make_folder(["gan", "cgan", "dcgan", "wgan_weight_clipping"], statuses=gone))


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures and axes that are drawn, in order."""
    made = []

    @contextmanager
    def recorded(*given, **named):
        with figure(*given, **named) as (whole, axes):
            yield whole, axes
        made.append((whole, axes))

    for module in (curves, final_values):
        monkeypatch.setattr(module, "figure", recorded)
    return made


def rewrite(folder, change):
    """Change every row of the records: ``change`` returns the row, or None to leave it out."""
    for path in (folder / "records").glob("*.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None))


def test_captions_in_order_and_only_of_what_there_is(compared, mixed, make_folder):
    found = captions(compared)
    assert list(found) == [*CURVES, "pareto", "contrasts", "is", "bars", "losses", "scores"]
    assert not any("{" in caption for caption in found.values())
    assert max(len(caption.split()) for caption in found.values()) <= 25
    assert "contrasts" not in captions(read_records(make_folder(["gan"], inception=False)))
    assert "contrasts" not in captions(mixed)  # no two variants with three successful seeds


def test_runs_measured_once_have_no_curves(make_folder):
    folder = make_folder(["gan", "cgan"], inception=False)
    rewrite(folder, lambda row: None if row["row"] == "metrics" and row["fraction"] < 1 else row)
    assert list(captions(read_records(folder))) == ["pareto", "contrasts", "bars", "losses", "scores"]


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
    values = curves.evaluations(read_records(folder), "fid")
    trained = values[values["variant"] == "gan"]
    assert len(trained) == 2 * 9
    assert trained["discriminator_steps"].tolist() == ((7 if recorded else 5) * trained["step"]).tolist()


def test_band_is_the_t_interval_of_the_geometric_mean(mixed):
    values = curves.evaluations(mixed, "fid")
    means = curves.means_over_seeds(values[values["variant"] == "gan"], "seconds", log=True)
    assert len(means) == 3 * 9
    for _, seeds in means.groupby("step"):
        logs = np.log(seeds["value"])
        low, high = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
        assert seeds["mean"].to_numpy() == pytest.approx([stats.gmean(seeds["value"])] * 3)
        assert seeds[["low", "high"]].iloc[0].to_numpy() == pytest.approx(np.exp([low, high]))
        assert seeds["at"].to_numpy() == pytest.approx([seeds["seconds"].mean()] * 3)


def test_failed_and_unfinished_seeds_are_in_no_mean(mixed):
    values = curves.evaluations(mixed, "fid")
    means = curves.means_over_seeds(values[values["variant"] != "real"], "images", log=True)
    assert means.loc[means["variant"] == "cgan", "seeds"].eq(2).all()  # the third collapsed
    assert means.loc[means["variant"] == "wgan_weight_clipping", "mean"].isna().all()


@pytest.mark.parametrize(("variants", "panels"), [(["gan", "cgan"], 2), (None, 12)])
@pytest.mark.slow
def test_extractors_never_share_a_panel(make_folder, drawn, tmp_path, variants, panels):
    results = read_records(make_folder(variants) if variants else make_folder())
    curves.write_curves(results, Look.of(results), tmp_path / "a.png", "images")
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
        on = final_values.front(points[:, 0], points[:, 1], lower_is_better=lower)

        def beats(one, other, sign=1 if lower else -1):
            gains = (other[0] - one[0], sign * (other[1] - one[1]))
            return min(gains) >= 0 and max(gains) > 0

        for point, kept in zip(points, on, strict=True):
            assert kept == (not any(beats(other, point) for other in points))
    assert final_values.front([1, 2, 2], [3, 3, 1], lower_is_better=True) == [True, False, True]
    assert final_values.front([1, 1], [2, 2], lower_is_better=True) == [True, True]


def test_pareto_marks_failures_and_keeps_a_failing_variant_off_the_front(make_folder, drawn, tmp_path):
    statuses = {("gan", 0): "diverged", ("gan", 1): "diverged", ("cgan", 2): "collapsed"}
    results = read_records(make_folder(["gan", "cgan", "dcgan"], inception=False, statuses=statuses))
    final_values.write_pareto(results, Look.of(results), tmp_path / "a.png")
    (legend,) = drawn[0][0].legends
    handles = zip(legend.get_texts(), legend.get_lines(), strict=True)
    filled = {text.get_text(): line.get_markerfacecolor() != "white" for text, line in handles}
    # gan has the lowest FID and the shortest time in the fixture, but one successful seed of three.
    assert filled == {"gan, 2 of 3 failed": False, "cgan, 1 of 3 failed": True, "dcgan†": False}


def test_pareto_and_contrasts_of_runs_that_all_failed(make_folder, tmp_path):
    statuses = {("gan", 0): "diverged", ("cgan", 0): "diverged"}
    folder = make_folder(["gan", "cgan"], seeds=1, inception=False, statuses=statuses)
    assert [path.stem for path in write_figures(read_records(folder), tmp_path) if not path.is_file()] == []


def test_contrasts_are_drawn_where_they_were_measured(compared, drawn, tmp_path):
    final_values.write_contrasts(compared, Look.of(compared), tmp_path / "a.png")
    (axis,) = drawn[0][1]
    rows = compared.planned
    assert set(rows["extractor"]) == {"mnist-cnn"}
    points = [line.get_xydata()[0] for line in axis.get_lines() if len(line.get_xdata()) == 1]
    marks = {round(float(y)): float(x) for x, y in points}
    for place, row in enumerate(rows.to_dict("records")):
        if np.isfinite(row["ratio"]):
            assert marks[place] == row["ratio"]
        else:
            assert place not in marks
    assert {"no successful seed", "p (Holm)"} <= {text.get_text().strip() for text in axis.texts}
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert "wgan_weight_clipping\n3 of 3 failed" in names
