"""The ranking as LaTeX, Markdown and CSV."""

import io
from pathlib import Path

import pandas as pd
import pytest

from gan_zoo.bench.tables import read_results
from gan_zoo.report.tables import ranking_as

SHIPPED = Path(__file__).parents[2] / "results" / "mnist-quick"


@pytest.fixture(scope="module")
def results():
    return read_results(SHIPPED)


def test_csv_has_means_and_intervals_in_full_precision(results):
    table = pd.read_csv(io.StringIO(ranking_as(results, "csv"))).set_index("variant")
    assert table["rank"].tolist()[:2] == ["1", "2="]
    line = results.lines(results.extractor)["lsgan", "kid"]
    assert table.loc["lsgan", ["kid", "kid_low", "kid_high"]].tolist() == pytest.approx(
        [line["mean"], line["low"], line["high"]]
    )
    assert table.loc["real", "kind"] == "floor"
    assert table.loc["lsgan", "overrides"] == next(e.overrides for e in results.entries if e.variant == "lsgan") != ""


def test_markdown_has_the_intervals_and_how_they_were_measured(results):
    text = ranking_as(results, "markdown")
    assert text.startswith("| rank | variant | FID ↓ |")
    assert "| 21.4 [15.9, 28.8] |" in text
    assert "num\\_samples 2,000" in text


def test_latex_is_a_tabular_with_escapes(results):
    about, begin, *rows, end = ranking_as(results, "latex").splitlines()
    assert about.startswith("% MNIST: num_samples 2,000")
    assert (begin, end) == (r"\begin{tabular}{rlrrrrrrrrrr}", r"\end{tabular}")
    assert r"1 & dcgan$\dagger$ & 21.4 [15.9, 28.8] &" in "\n".join(rows)
    assert r"0 of 3 [0\%, 71\%]" in "\n".join(rows)
    assert {line.count(" & ") for line in rows if line.endswith(r"\\")} == {11}
    assert "\n".join(rows).isascii()
