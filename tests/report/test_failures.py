"""Each failure with the rule that caught it."""

import pytest

from gan_zoo.bench.collapse import collapse, rule
from gan_zoo.report.failures import failures


def test_failures_of_a_folder(mixed):
    found = {(each.variant, each.seed): each for each in failures(mixed)}
    assert len(found) == 6
    diverged = found["dcgan", 1]
    assert diverged.status == "diverged"
    assert "generator loss was not finite at step 800" in diverged.rule
    assert diverged.measured_at == 96_000
    assert diverged.metrics["modes"] == 10
    cut = found["lsgan_linear", 2]
    assert cut.status == "unfinished"
    assert "no end" in cut.rule
    assert found["cgan", 0].rule == "1 of 10 modes"  # not a message of a rule: as recorded


@pytest.mark.parametrize(
    ("modes", "real", "gap", "expected"),
    [
        (2, 10, 0.0, "2 of the reference's 10 modes: at most a quarter"),
        (4, 10, 0.0, "4 of the reference's 10 modes: fewer than half, and recall 0.000, below 0.001"),
        (9, 10, 0.99, "above 0.98, and recall 0.000, below 0.001"),
    ],
)
def test_every_message_of_a_collapse_has_its_rule(modes, real, gap, expected):
    row = {"values": {"modes": float(modes), "recall": 0.0}, "real_modes": real}
    history = [{"images": 100, "values": {"D(real)": gap, "D(fake)": 0.0}}]
    assert expected in rule(collapse([row], history, probability=True))


def test_a_collapse_of_an_old_record_is_computed_again(make_results):
    def without_reason(row):
        if row["row"] == "metrics" and row["extractor"] == "mnist-cnn" and row["step"]:
            row["values"] |= {"modes": 4.0, "recall": 0.0}
        return row | {"message": ""} if row["row"] == "end" else row

    (failure,) = failures(make_results(["gan"], seeds=1, statuses={("gan", 0): "collapsed"}, change=without_reason))
    assert failure.rule == "4 of the reference's 10 modes: fewer than half, and recall 0.000, below 0.001"


@pytest.mark.parametrize("status", ["error", "timeout", "out_of_memory"])
def test_a_message_passes_unchanged(make_results, status):
    text = "<script>alert(1)</script>"
    results = make_results(
        ["gan"],
        seeds=1,
        statuses={("gan", 0): status},
        change=lambda row: row | {"message": text} if row["row"] == "end" and row["steps"] else row,
    )
    assert [(each.status, each.rule) for each in failures(results)] == [(status, text)]
