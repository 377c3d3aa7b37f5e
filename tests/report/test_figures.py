from contextlib import contextmanager

import numpy as np
import pytest
from scipy import stats

from gan_zoo.report.figures import captions, curves, final_values, write_figures
from gan_zoo.report.figures.style import Look, figure

CURVES = ["fid_images", "fid_discriminator_steps", "fid_seconds"]


@pytest.fixture(scope="module")
def compared(make_results):
    """Four variants, of one of which all seeds failed."""
    gone = {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return make_results(["gan", "cgan", "dcgan", "wgan_weight_clipping"], statuses=gone)


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


def test_captions_are_short_in_order_and_only_of_what_there_is(compared, mixed, make_results):
    found = captions(compared)
    assert list(found) == [*CURVES, "pareto", "contrasts", "is", "bars", "losses", "scores"]
    assert not any("{" in caption for caption in found.values())
    assert max(len(caption.split()) for caption in found.values()) <= 25
    assert "contrasts" not in captions(mixed)  # no two variants with three successful seeds
    once = make_results(["gan", "cgan"], change=lambda row: row if row.get("fraction", 1) == 1 else None)
    assert list(captions(once)) == ["pareto", "contrasts", "bars", "losses", "scores"]


@pytest.mark.parametrize("recorded", [True, False])
def test_discriminator_steps_are_those_recorded_or_those_of_the_history(make_results, recorded):
    def five_a_step(row):
        if row["row"] == "history":
            row["discriminator_steps"] = 5 * row["step"]
        # Between two rows of the history, which are 50 steps apart.
        if row["row"] == "metrics" and row["step"]:
            row = row | {"step": row["step"] - 20}
        return row | {"discriminator_steps": 7 * row["step"]} if row["row"] == "metrics" and recorded else row

    values = curves.evaluations(make_results(["gan"], seeds=2, change=five_a_step), "fid")
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
def test_extractors_never_share_a_panel(make_results, drawn, tmp_path, variants, panels):
    results = make_results(*filter(None, [variants]), inception=True)
    curves.write_curves(results, Look.of(results), tmp_path / "a.png", "images")
    axes = [axis for axis in drawn[0][1] if axis.axison]
    assert len(axes) == panels
    values = [np.concatenate([line.get_ydata() for line in axis.get_lines()]) for axis in axes]
    default, other = values[: panels // 2], values[panels // 2 :]
    # The fixture's values under Inception are a third of the level; the floors are 4 and 9.
    assert len({round(float(values.max()), 3) for values in default}) == 1 or variants is None
    assert max(values.max() for values in default) > max(values.max() for values in other)
    if variants is None:
        assert all("mnist-cnn" in axis.get_title() for axis in axes[:6])
        assert all("inception" in axis.get_title() for axis in axes[6:])


@pytest.mark.parametrize("lower", [True, False])
def test_front_is_what_no_other_dominates(lower):
    points = np.random.default_rng(0).integers(0, 12, (40, 2)).astype(float)  # with ties

    def beats(one, other):
        gains = (other[0] - one[0], (other[1] - one[1]) * (1 if lower else -1))
        return min(gains) >= 0 and max(gains) > 0

    expected = [not any(beats(other, point) for other in points) for point in points]
    assert final_values.front(points[:, 0], points[:, 1], lower_is_better=lower) == expected
    assert final_values.front([1, 1], [2, 2], lower_is_better=lower) == [True, True]


def test_pareto_marks_failures_and_keeps_a_failing_variant_off_the_front(make_results, drawn, tmp_path):
    statuses = {("gan", 0): "diverged", ("gan", 1): "diverged", ("cgan", 2): "collapsed"}
    results = make_results(["gan", "cgan", "dcgan"], statuses=statuses)
    final_values.write_pareto(results, Look.of(results), tmp_path / "a.png")
    (legend,) = drawn[0][0].legends
    handles = zip(legend.get_texts(), legend.get_lines(), strict=True)
    filled = {text.get_text(): line.get_markerfacecolor() != "white" for text, line in handles}
    # gan has the lowest FID and the shortest time in the fixture, but one successful seed of three.
    assert filled == {"gan, 2 of 3 failed": False, "cgan, 1 of 3 failed": True, "dcgan†": False}


def test_figures_of_runs_that_all_failed(make_results, tmp_path):
    results = make_results(["gan", "cgan"], seeds=1, statuses={("gan", 0): "diverged", ("cgan", 0): "diverged"})
    assert all(path.is_file() for path in write_figures(results, tmp_path))


def test_contrasts_are_drawn_at_their_ratio(compared, drawn, tmp_path):
    final_values.write_contrasts(compared, Look.of(compared), tmp_path / "a.png")
    (axis,) = drawn[0][1]
    points = [line.get_xydata()[0] for line in axis.get_lines() if len(line.get_xdata()) == 1]
    ratios = compared.planned["ratio"].dropna()
    assert {round(float(y)): float(x) for x, y in points} == ratios.to_dict()
    assert 0 < len(ratios) < len(compared.planned)
    assert {"no successful seed", "p (Holm)"} <= {text.get_text().strip() for text in axis.texts}
    assert "wgan_weight_clipping\n3 of 3 failed" in [label.get_text() for label in axis.get_yticklabels()]
