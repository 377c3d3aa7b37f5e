"""The methods section of a report: how means, intervals, tests, times and figures are made."""

from collections.abc import Iterator

from gan_zoo import text
from gan_zoo.bench.results import SIMILAR, Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures.final_values import device_name
from gan_zoo.report.figures.style import floor_title
from gan_zoo.statistics import ALPHA, MINIMUM_SEEDS


def methods(results: Results, reached: bool) -> list[tuple[str, str]]:
    """Pairs of a term and its explanation; ``reached``: whether there is a table of times to a target."""
    return [*(_values(results) if results.measured else ()), *_comparisons(results), *_times(results, reached)]


def _values(results: Results) -> Iterator[tuple[str, str]]:
    measured = [METRICS[name].title for name in sorted(set(results.metrics["metric"])) if METRICS[name].log]
    geometric = f"; for {text.listed(measured)} the geometric mean, with the interval on the logarithm"
    yield (
        "Means",
        "Values of the last evaluation, mean over the successful seeds with 95% interval (Student's t"
        f"{geometric if measured else ''}). Failed and unfinished seeds are not in the means. Failure rates have exact "
        "binomial intervals. A variant with more failed seeds than values is ranked after all others.",
    )
    yield "Floor", f"The row real: {floor_title(results)} in place of generated ones, with equal num_samples."
    if (results.runs["conditioning"] != "none").any() and results.samples == "images":
        yield (
            "Conditional variants",
            "They generate the classes of the reference images; Class KL and Label accuracy measure how well.",
        )
    yield (
        f"Ranking, {SIMILAR}",
        f"Not significantly different from the best: Games-Howell test of all pairs, family-wise error rate "
        f"{results.alpha:.1%}. This does not show that variants are equal.",
    )
    yield (
        "Best evaluation",
        f"Selected by {results.metric.title} on one draw of samples and reported on another, so that the selection "
        "does not bias the value.",
    )


def _comparisons(results: Results) -> Iterator[tuple[str, str]]:
    lines = results.planned
    if lines.empty:
        return
    tests = int((lines["verdict"] != "too few seeds").sum())
    if not tests:
        yield "Planned comparisons", f"None was tested: a test needs {MINIMUM_SEEDS} successful seeds on both sides."
        return
    name = results.metric.title
    measure = f"Ratio of geometric mean {name}" if results.geometric else f"Difference of mean {name}"
    better = "below 0" if results.metric.better == "lower" else "above 0"
    half = " (half of 5%; the other half is for the ranking)" if results.alpha < ALPHA else ""
    yield (
        "Planned comparisons",
        f"{measure}, first over second, with Welch's 95% interval, not adjusted; "
        f"{'below 1' if results.geometric else better}: the first is better. p: Welch's test on "
        f"{'log ' if results.geometric else ''}{name} of the successful seeds. Adjusted: Holm's method over "
        f"{text.plural(tests, 'comparison')}, significant at {results.alpha:.1%}{half}. Effect: Hedges' g, positive if "
        "the first is better. P(better): probability that a run of the first beats a run of the second; a failed run "
        "loses to every successful one. Detectable: minimum detectable "
        f"{'ratio' if results.geometric else 'difference'} (80% power).",
    )


def _times(results: Results, reached: bool) -> Iterator[tuple[str, str]]:
    jobs = results.manifest.get("jobs")
    parallel = f", with {text.plural(int(jobs), 'run')} {'in parallel' if jobs > 1 else 'at a time'}" if jobs else ""
    device = device_name(results)
    yield "Seconds", f"Wall time of training on the {device}, without evaluation{parallel}."
    if reached:
        name = results.metric.title
        yield (
            "Time to target",
            f"Until {name} is first at the target or below, interpolated between evaluations linearly in time and "
            f"in the logarithm of {name}. If every seed reaches it: geometric mean and 95% interval. Else: median over "
            "all seeds (exact 95% interval from six seeds on), with failed and other seeds as never. At most: a seed "
            "was there at its first evaluation. More than: the median seed was not there at its end. Never: it failed.",
        )
    yield (
        "Figures",
        "A band needs three seeds; with fewer, each seed is a thin line. Bands and whiskers are cut at the panel; a "
        "floor far below is only named. A mean is drawn at the mean position of its seeds. Losses of different "
        "objectives are not comparable. Pareto front: no other variant is at least as good in both means and better "
        "in one; a variant with more failed seeds than values is never on it.",
    )
