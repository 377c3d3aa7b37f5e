import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gan_zoo import text
from gan_zoo.bench.tables import read_records
from gan_zoo.report.time_to_target import Arrival, reach, reach_table, summarize, targets


def curve(values, step=1000, rate=0.01):
    images = step * np.arange(1, len(values) + 1, dtype=float)
    return pd.DataFrame({"value": values, "images": images, "seconds": rate * images})


def arrived(*seconds, beyond=100.0, first=False):
    """Runs that reached the target at these seconds; infinity: successful after ``beyond`` seconds, NaN: failed."""
    return [
        Arrival(
            {"seconds": math.inf if math.isnan(at) else at, "images": at},
            {"seconds": math.inf if math.isnan(at) else min(at, beyond), "images": at},
            first,
        )
        for at in seconds
    ]


def results_of(folder, **manifest):
    results = read_records(folder)
    return replace(results, manifest=results.manifest | manifest)


@pytest.mark.parametrize("target", [80.0, 31.0, 9.5])
def test_an_exponential_curve_is_crossed_exactly_where_it_is(target):
    falling = curve(200 * np.exp(-np.arange(1, 11) / 3))  # at 1,000 images a step
    found = reach(falling, target)
    assert found.at["images"] == pytest.approx(3000 * math.log(200 / target))
    assert found.at["seconds"] == pytest.approx(30 * math.log(200 / target))
    assert not found.first


def test_the_first_crossing_counts_and_order_of_rows_does_not():
    up_again = curve([90.0, 30.0, 120.0, 10.0])
    assert reach(up_again.sample(frac=1, random_state=0), 30.0).at["images"] == 2000
    assert reach(up_again, 60.0).at["images"] == pytest.approx(1000 + 1000 * math.log(90 / 60) / math.log(3))


def test_values_without_a_logarithm_are_interpolated_linearly():
    assert reach(curve([4.0, -4.0]), 1.0).at["images"] == pytest.approx(1000 + 1000 * 3 / 8)


def test_a_target_reached_before_the_first_evaluation_is_a_bound():
    found = reach(curve([5.0, 4.0]), 6.0)
    assert found.first
    assert found.at == {"seconds": 10.0, "images": 1000.0}
    # Two runs at the same bound have no spread, and no interval either.
    assert summarize([found, found], "images") == "at most 1,000"


def test_what_never_arrives_is_known_to_need_more_than_its_training_and_what_failed_never_does():
    late = reach(curve([50.0, 40.0]), 6.0)
    assert late.at["seconds"] == math.inf
    assert late.beyond["seconds"] == 20.0
    assert reach(curve([50.0, 1.0]), 6.0, failed=True).beyond["seconds"] == math.inf


def test_where_all_arrived_the_geometric_mean_and_its_interval():
    seconds = [20.0, 30.0, 50.0, 26.0, 41.0]
    low, high = np.exp(stats.t.interval(0.95, 4, loc=np.log(seconds).mean(), scale=stats.sem(np.log(seconds))))
    assert summarize(arrived(*seconds), "seconds") == f"{stats.gmean(seconds):.1f} [{low:.1f}, {high:.1f}] s"
    assert summarize(arrived(*[60 * at for at in seconds]), "seconds") == (
        f"{stats.gmean(seconds):.1f} [{low:.1f}, {high:.1f}] min"
    )


def test_where_not_all_arrived_the_median_over_all_of_them():
    inf, nan = math.inf, math.nan
    assert summarize(arrived(10.0, inf, 30.0, 20.0, inf), "seconds") == "median 30.0 s"
    assert summarize(arrived(10.0, nan, 30.0, 20.0, nan), "seconds") == "median 30.0 s"
    assert summarize(arrived(10.0, inf, inf, 20.0, inf), "seconds") == "more than 1.67 min"
    assert summarize(arrived(10.0, 20.0, inf, inf), "seconds") == "more than 60.0 s"  # the middle two: 20, over 100
    assert summarize(arrived(10.0, nan, nan), "seconds") == "never"
    assert summarize(arrived(nan, nan), "seconds") == "never"
    assert summarize([], "seconds") == text.NOTHING


def test_median_interval_is_the_binomial_one():
    # With 10 values P(less than 2 below the median) = 11/1024 a side: values 2 and 9 hold it in 97.9% of cases.
    values = [*range(11, 20), math.inf]
    assert 1 - 2 * stats.binom.cdf(1, 10, 0.5) > 0.95 > 1 - 2 * stats.binom.cdf(2, 10, 0.5)
    assert summarize(arrived(*map(float, values)), "seconds") == "median 15.5 [12.0, 19.0] s"
    assert summarize(arrived(*map(float, values[:7]), math.inf, math.inf), "seconds").endswith("never] s")
    assert summarize(arrived(11.0, 12.0, 13.0, 14.0, math.inf), "seconds") == "median 13.0 s"  # 5 values: at best 93.8%


def test_table_counts_failed_seeds_and_leaves_unfinished_ones_out(mixed_folder):
    results = results_of(mixed_folder)
    rows = reach_table(results)
    ranking = [entry.label for entry in results.ranking if entry.kind != "floor"]
    assert [row["variant"] for row in rows] == ranking * len(targets(results))
    first = {row["variant"]: row["reached"].split() for row in rows[: len(ranking)]}
    assert {variant: reached[-1] for variant, reached in first.items()} == {
        **dict.fromkeys(["gan", "dcgan†", "cgan", "wgan_weight_clipping"], "3"),
        "lsgan_linear": "2",
    }
    assert first["wgan_weight_clipping"][0] == "0"
    assert first["gan"][0] == "3"


def test_targets_are_the_presets_else_the_worst_and_the_median_of_the_ranked(mixed_folder):
    results = results_of(mixed_folder)
    means = [entry.value.mean for entry in results.ranking if entry.kind == "ranked"]
    assert targets(results) == pytest.approx([max(means), np.median(means)], rel=0.005)
    named = results_of(mixed_folder, suite={"presets": {"quick": {"targets": [50, 20]}}})
    assert targets(named) == [50.0, 20.0]
    assert list(dict.fromkeys(row["target"] for row in reach_table(named))) == ["50.0", "20.0"]


def test_no_table_where_higher_is_better_or_nothing_was_measured_on_the_way(mixed_folder):
    assert reach_table(results_of(mixed_folder, ranked_by="is")) == []
    results = results_of(mixed_folder)
    ends = results.metrics[results.metrics["fraction"] >= 1]
    assert reach_table(replace(results, metrics=ends)) == []
