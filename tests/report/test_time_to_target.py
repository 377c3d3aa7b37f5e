import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gan_zoo import text
from gan_zoo.report.time_to_target import Arrival, reach, summarize, targets, time_table


def curve(values, step=1000, rate=0.01):
    images = step * np.arange(1, len(values) + 1, dtype=float)
    return pd.DataFrame({"value": values, "images": images, "seconds": rate * images})


def arrived(*seconds, beyond=100.0):
    """Runs that reached the target at these seconds; infinity: successful after ``beyond`` seconds, NaN: failed."""
    return [
        Arrival(
            pd.Series({"seconds": math.inf if math.isnan(at) else at}),
            pd.Series({"seconds": math.inf if math.isnan(at) else min(at, beyond)}),
        )
        for at in seconds
    ]


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
    assert found.at.to_dict() == {"seconds": 10.0, "images": 1000.0}
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


def test_table_counts_failed_seeds_and_leaves_unfinished_ones_out(mixed):
    table = time_table(mixed)
    ranking = [entry.variant for entry in mixed.entries if entry.kind != "floor"]
    assert [cells[1] for _, cells in table.rows] == ranking * len(targets(mixed))
    reached = {cells[1]: cells[2] for _, cells in table.rows[: len(ranking)]}
    counts = {variant: int(cell.split()[-1]) for variant, cell in reached.items()}
    assert counts == {"gan": 3, "dcgan": 3, "cgan": 3, "wgan_weight_clipping": 3, "lsgan_linear": 2}
    assert reached["wgan_weight_clipping"] == "0 of 3"
    assert reached["gan"] == "3 of 3"


def test_targets_are_the_presets_else_the_worst_and_the_median_of_the_ranked(mixed):
    means = [entry.value.mean for entry in mixed.entries if entry.kind == "ranked"]
    assert targets(mixed) == pytest.approx([max(means), np.median(means)], rel=0.005)
    suite = {"presets": {"quick": {"targets": [50, 20]}}}
    named = replace(mixed, manifest=mixed.manifest | {"suite": suite})
    assert targets(named) == [50.0, 20.0]
    assert list(dict.fromkeys(cells[0] for _, cells in time_table(named).rows)) == ["50.0", "20.0"]


def test_no_table_if_higher_is_better_or_runs_were_measured_once(mixed):
    assert time_table(replace(mixed, manifest=mixed.manifest | {"ranked_by": "is"})).rows == []
    ends = mixed.metrics[mixed.metrics["fraction"] >= 1]
    assert time_table(replace(mixed, metrics=ends)).rows == []
