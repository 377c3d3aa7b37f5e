import math
import re
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon
from PIL import Image
from scipy import stats

from gan_zoo import text
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures import charts, curves, final_values, style
from gan_zoo.report.figures.style import Look
from gan_zoo.variants import read_index

PAGES = {"light": "#ffffff", "dark": "#14181c"}
HOSTILE = "<b>\"x\" & 'y'</b>\x1b[31m"


@pytest.fixture(scope="module")
def compared(make_results):
    """Four variants, of one of which all seeds failed."""
    gone = {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return make_results(["gan", "cgan", "dcgan", "wgan_weight_clipping"], statuses=gone)


@pytest.fixture(scope="module")
def page(make_results):
    """All charts of six variants under two extractors, by name."""
    results = make_results(inception=True)
    look = Look.of(results)
    single = [charts.forest(results, look), charts.cost(results, look), charts.loss_curve(results, look, "dcgan", 1)]
    made = [*charts.curves(results, look), *single]
    return SimpleNamespace(results=results, look=look, charts=made)


def parsed(chart):
    return ElementTree.fromstring(chart.svg)


def tips(chart):
    return [element.get("data-tip") for element in parsed(chart).iter() if element.get("data-tip")]


def renamed(results, name):
    """The results with another name of the variant cgan."""
    tables = {
        table: getattr(results, table).replace({"variant": {"cgan": name}, "baseline": {"cgan": name}})
        for table in ("runs", "history", "metrics", "summary", "contrasts")
    }
    return replace(results, **tables)


def luminance(color):
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(color)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    """The contrast ratio of WCAG 2.1."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page_color", PAGES.values(), ids=PAGES)
def test_all_colors_have_contrast_on_both_pages(page_color):
    registered = [style.registered_color(place) for place in range(len(read_index()["variants"]))]
    assert len(set(registered)) == len(registered)
    others = []
    for _ in range(20):
        others.append(style.distant_color(others))
    assert len(set(others)) == len(others)
    verdicts = [color for color, _ in final_values.VERDICTS.values()]
    assert min(contrast(color, page_color) for color in registered + others + verdicts) >= 3


def test_a_variant_has_one_color_in_all_reports(make_results):
    one = Look.of(make_results(["gan", "cgan", "dcgan"], seeds=1))
    other = Look.of(make_results(["dcgan", "lsgan", "gan"], seeds=1))
    for name in ("gan", "dcgan"):
        assert [getattr(one, key)[name] for key in ("colors", "markers", "dashes")] == [
            getattr(other, key)[name] for key in ("colors", "markers", "dashes")
        ]
    first = [style.registered_color(place) for place, found in enumerate(read_index()["variants"])][:3]
    assert first == [one.colors[name] for name in ("gan", "cgan", "dcgan")]


def test_a_variant_of_the_suite_alone_has_a_color_of_its_own(make_results):
    look = Look.of(renamed(make_results(["gan", "cgan", "lsgan"], seeds=1), "mine"))
    colors = {name: np.array(to_rgb(color)) for name, color in look.colors.items()}
    assert min(np.linalg.norm(colors["mine"] - colors[name]) for name in ("gan", "lsgan")) > 0.3


def test_ids_are_unique_in_the_page_and_all_references_are_resolved(page):
    ids, used = [], set()
    for chart in page.charts:
        mine = [element.get("id") for element in parsed(chart).iter() if element.get("id")]
        assert all(name.startswith(f"{chart.name}-") for name in mine)
        references = set(re.findall(r"url\(#([^)]+)\)", chart.svg)) | set(re.findall(r'href="#([^"]+)"', chart.svg))
        assert references == set(mine)
        ids += mine
        used |= references
    assert len(ids) == len(set(ids)) > len(page.charts)
    assert len({chart.name for chart in page.charts}) == len(page.charts)


def test_an_svg_fits_any_page(page):
    for chart in page.charts:
        root = parsed(chart)
        assert root.tag == "svg"
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert root.get("viewBox")
        assert not {"width", "height"} & set(root.keys())
        assert chart.svg.startswith("<svg ")
        assert {"var(--ink)", "var(--faint)", "var(--line)"} <= set(re.findall(r"var\([^)]+\)", chart.svg))
        assert not re.search(f"{style.INK}|{style.FAINT}|{style.LINE}|font-family|<style|http", chart.svg)
        assert len(chart.caption.split()) <= 25
        assert "  " not in chart.caption


def test_there_is_one_curve_per_metric_extractor_and_axis(page):
    drawn = [chart for chart in page.charts if chart.y]
    pairs = [(chart.x, chart.y) for chart in drawn]
    assert len(pairs) == len(set(pairs)) == len({(chart.x, chart.title) for chart in drawn})
    first = drawn[0]
    assert (first.x, first.y, first.title) == ("images", "fid", "FID ↓")
    metrics = page.results.metrics.groupby("extractor")["metric"].unique()
    expected = {*metrics["mnist-cnn"], *(f"{name} (inception)" for name in metrics["inception"])}
    assert {y for x, y in pairs if x == "seconds"} == expected
    history = {"discriminator_loss", "generator_loss"}
    history |= {f"D({samples}) {kind}" for samples in ("real", "fake") for kind in ("probability", "score")}
    assert {y for x, y in pairs if x == "images"} == expected | history
    # In the fixture every step sees 128 images: both axes would show the same.
    assert not any(x == "discriminator_steps" for x, _ in pairs)


def test_discriminator_steps_are_an_axis_if_variants_differ_in_them(make_results):
    def five_a_step(row):
        return row | {"discriminator_steps": (1 + 4 * (row["seconds"] > row["step"] * 0.055)) * row["step"]}

    results = make_results(
        ["gan", "cgan"], seeds=1, change=lambda row: five_a_step(row) if row["row"] == "metrics" else row
    )
    assert "discriminator_steps" in {chart.x for chart in charts.curves(results, Look.of(results))}


@pytest.mark.parametrize("x", ["images", "seconds"])
def test_tips_have_the_values_of_the_tables(page, x):
    for extractor in ("mnist-cnn", "inception"):
        by = "" if extractor == "mnist-cnn" else " (inception)"
        lines = page.results.lines(extractor)
        shown = {chart.y: tips(chart) for chart in page.charts if chart.x == x}
        for (variant, metric), line in lines.items():
            if variant == "real" or metric not in METRICS or not text.known(line["mean"]):
                continue
            mine = [tip for tip in shown[f"{metric}{by}"] if tip.startswith(f"{variant} · ")]
            assert len(mine) == 9
            final = f"{METRICS[metric].title} {text.estimate(line['mean'], line['low'], line['high'])}"
            assert mine[-1].endswith(f" · {final}")
    assert re.fullmatch(r"\S+ · \S+ (images|s|min) · FID \S+ \[\S+, \S+\]", shown["fid (inception)"][-1])


def test_each_marker_has_its_tip_as_title(page):
    for chart in page.charts:
        for group in parsed(chart).iter("g"):
            if group.get("data-tip"):
                title, marker = group
                assert (title.tag, title.text, marker.tag) == ("title", group.get("data-tip"), "use")


def test_all_that_belongs_to_a_variant_can_be_switched(page):
    for chart in page.charts:
        if chart.y:
            colors = set(page.look.colors.values())
            outside = parsed(chart)
            found = {element.get("data-variant") for element in outside.iter()} - {None}
            for parent in list(outside.iter()):
                for child in list(parent):
                    if child.get("data-variant"):
                        parent.remove(child)
            assert found <= set(page.look.colors)
            assert not any(color in ElementTree.tostring(outside, encoding="unicode") for color in colors)


def test_names_are_text_and_nothing_else(make_results):
    results = renamed(make_results(["gan", "cgan"]), HOSTILE)
    look = Look.of(results)
    made = [*charts.curves(results, look), charts.cost(results, look), charts.loss_curve(results, look, HOSTILE, 0)]
    for chart in made:
        root = parsed(chart)
        assert root.find(".//b") is None
        assert "<b>" not in chart.svg
        assert "\x1b" not in ElementTree.tostring(root, encoding="unicode").replace(HOSTILE, "")
    root = parsed(made[0])
    assert text.visible(HOSTILE) in {element.get("data-variant") for element in root.iter()}
    assert any(text.visible(HOSTILE)[:10] in (element.text or "") for element in root.iter("text"))


def test_bands_are_the_intervals_of_the_tables(page):
    for curve in curves.measured_curves(page.results):
        drawing = curves.panel(page.look)
        curves.draw_curve(drawing, curve, page.look, "images")
        bands = [patch for patch in drawing.figure.axes[0].patches if isinstance(patch, Polygon)]
        lines = page.results.lines("inception" if "inception" in curve.title else "mnist-cnn")
        drawn = [(band.get_xy()[:9], band.get_xy()[9:18][::-1]) for band in bands]
        expected = [lines[name, curve.metric.name] for name in page.look.colors if name in curve.lines]
        assert len(drawn) == len(expected) == curve.trained["variant"].nunique()
        for (low, high), line in zip(drawn, expected, strict=True):
            assert (low[-1][1], high[-1][1]) == pytest.approx((line["low"], line["high"]))


def test_below_three_seeds_each_seed_is_a_line_and_there_is_no_interval(make_results):
    results = make_results(["gan", "cgan"], seeds=2)
    chart = charts.curves(results, Look.of(results))[0]
    assert "thin: single seeds" in chart.caption
    assert "band" not in chart.caption
    finals = results.final_samples()["cgan"].values
    seeds = ", ".join(map(text.number, finals))
    assert tips(chart)[-1].endswith(f"FID {text.number(stats.gmean(finals))} (seeds {seeds})")
    curve = next(curves.measured_curves(results))
    drawing = curves.panel(Look.of(results))
    curves.draw_curve(drawing, curve, Look.of(results), "images")
    assert not drawing.figure.axes[0].patches


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


def test_means_are_those_of_the_successful_seeds(mixed):
    values = curves.evaluations(mixed, "fid")
    means = curves.means_over_seeds(values[values["variant"] != "real"], mixed, METRICS["fid"])
    assert set(means["variant"]) == {"gan", "cgan", "dcgan", "lsgan_linear"}
    assert means.loc[means["variant"] == "cgan", "seeds"].eq(2).all()  # the third collapsed
    mine = means[means["variant"] == "gan"].set_index("fraction")
    for fraction, seeds in values[values["variant"] == "gan"].groupby("fraction"):
        logs = np.log(seeds["value"])
        interval = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
        assert mine.loc[fraction, "mean"] == pytest.approx(stats.gmean(seeds["value"]))
        assert mine.loc[fraction, ["low", "high"]].tolist() == pytest.approx(np.exp(interval))
        assert mine.loc[fraction, "seconds"] == pytest.approx(seeds["seconds"].mean())


def test_failed_seeds_are_named_where_they_end(mixed):
    look = Look.of(mixed)
    found = [tip for tip in tips(charts.curves(mixed, look)[0]) if "seed" in tip and "FID" not in tip]
    assert {"cgan · seed 0 collapsed", "dcgan · seed 1 diverged", "lsgan_linear · seed 2 unfinished"} <= set(found)


def test_labels_do_not_overlap(page):
    for chart in page.charts:
        if chart.y:
            groups = [element for element in parsed(chart).iter("g") if element.get("data-variant")]
            heights = sorted(float(label.get("y")) for group in groups for label in group.iter("text"))
            assert len(heights) >= 1
            assert all(after - before >= 12.5 for before, after in pairwise(heights))


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("gap", [0.08, 0.2])
@pytest.mark.parametrize("limits", [(30, 150), (0.9, 1.1), (1e-4, 1e4), (1, 1e30), (99, 101), (2.1, 8.9)])
def test_ticks_are_within_the_limits_and_apart(limits, gap, log):
    ticks = style.log_ticks(*limits, gap) if log else style.linear_ticks(*limits, gap)
    places = np.log(ticks) if log else np.array(ticks)
    length = math.log(limits[1] / limits[0]) if log else limits[1] - limits[0]
    assert len(ticks) >= 1
    assert limits[0] <= min(ticks) <= max(ticks) <= limits[1]
    assert len(ticks) == 1 or np.diff(places).min() >= 0.99 * gap * length


def test_small_multiples_are_for_many_variants(page, monkeypatch):
    assert charts.small_multiples(page.results, page.look) is None
    monkeypatch.setattr(curves, "MANY", 5)
    chart = charts.small_multiples(page.results, page.look)
    assert len(tips(chart)) == 6 * 9
    assert len(chart.caption.split()) <= 25
    titles = [element.text for element in parsed(chart).iter("text")]
    assert set(page.look.labels.values()) <= set(titles)


@pytest.mark.parametrize("lower", [True, False])
def test_front_is_what_no_other_dominates(lower):
    points = np.random.default_rng(0).integers(0, 12, (40, 2)).astype(float)  # with ties

    def beats(one, other):
        gains = (other[0] - one[0], (other[1] - one[1]) * (1 if lower else -1))
        return min(gains) >= 0 and max(gains) > 0

    expected = [not any(beats(other, point) for other in points) for point in points]
    assert final_values.front(points[:, 0], points[:, 1], lower_is_better=lower) == expected
    assert final_values.front([1, 1], [2, 2], lower_is_better=lower) == [True, True]


def test_cost_marks_failures_and_keeps_a_failing_variant_off_the_front(make_results):
    statuses = {("gan", 0): "diverged", ("gan", 1): "diverged", ("cgan", 2): "collapsed"}
    results = make_results(["gan", "cgan", "dcgan"], statuses=statuses)
    look = Look.of(results)
    (axes,) = final_values.draw_cost(results, look).figure.axes
    marks = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    filled = {line.get_color(): line.get_fillstyle() == "full" for line in marks}
    # gan has the lowest FID and the shortest time in the fixture, but one successful seed of three.
    assert filled == {look.colors["gan"]: False, look.colors["cgan"]: True, look.colors["dcgan"]: False}
    assert {label.get_text() for label in axes.texts} == {"gan, 2 of 3 failed", "cgan, 1 of 3 failed", "dcgan"}


def test_cost_has_the_values_of_the_ranking(page):
    (chart,) = [chart for chart in page.charts if chart.name == "cost"]
    for entry in page.results.entries:
        if entry.kind == "ranked":
            value = text.estimate(entry.value.mean, entry.value.low, entry.value.high)
            (tip,) = [tip for tip in tips(chart) if tip.startswith(f"{entry.variant} · ")]
            assert tip.startswith(f"{entry.variant} · {text.number(entry.seconds)}")
            assert tip.endswith(f" · FID {value}")


def test_runs_that_all_failed(make_results):
    results = make_results(["gan", "cgan"], seeds=1, statuses={("gan", 0): "diverged", ("cgan", 0): "diverged"})
    look = Look.of(results)
    made = charts.curves(results, look)
    assert {"fid", "generator_loss"} <= {chart.y for chart in made}
    assert charts.cost(results, look) is charts.forest(results, look) is None
    assert charts.loss_curve(results, look, "gan", 0).caption.startswith("Losses of gan, seed 0")
    assert charts.loss_curve(results, look, "gan", 7) is None


def test_forest_has_the_ratios_of_the_comparisons(compared):
    look = Look.of(compared)
    (axes,) = final_values.draw_forest(compared, look).figure.axes
    points = [line.get_xydata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1]
    ratios = compared.planned["ratio"].dropna()
    assert {round(float(y)): float(x) for x, y in points} == ratios.to_dict()
    assert 0 < len(ratios) < len(compared.planned)
    assert {"no successful seed", "p (Holm)"} <= {found.get_text().strip() for found in axes.texts}
    assert "wgan_weight_clipping, 3 of 3 failed" in [label.get_text() for label in axes.get_yticklabels()]
    rows = compared.planned.dropna(subset=["ratio"]).to_dict("records")
    shown = [f"ratio {text.estimate(row['ratio'], row['low'], row['high'])} ·" for row in rows]
    assert all(part in tip for part, tip in zip(shown, tips(charts.forest(compared, look)), strict=True))


def test_pngs_for_the_markdown(compared, mixed, tmp_path):
    found = charts.write_pngs(compared, Look.of(compared), tmp_path)
    assert found == {name: tmp_path / "figures" / f"{name}.png" for name in ("curve", "tests", "cost")}
    for path in found.values():
        with Image.open(path) as image:
            assert image.width > 1000
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert list(charts.write_pngs(mixed, Look.of(mixed), tmp_path / "mixed")) == ["curve", "cost"]
