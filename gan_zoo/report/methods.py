"""The methods of a report in sentences, and what the planned comparisons show."""

from collections.abc import Iterator

from gan_zoo import text
from gan_zoo.bench.results import SIMILAR, UNEQUAL, Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures.style import device_name, floor_title
from gan_zoo.statistics import ALPHA, MINIMUM_SEEDS


def comparison_sentences(results: Results) -> list[str]:
    """What the planned comparisons show, in sentences."""
    lines = results.planned
    decided = lines[lines["verdict"] != "too few seeds"]
    apart = {
        entry.variant: f" ({text.number(entry.budget)} times the {results.samples})"
        for entry in results.entries
        if entry.kind == "apart"
    }
    found = []
    if len(lines) > len(decided):
        left = text.plural(len(lines) - len(decided), "planned comparison")
        found.append(f"{left} not tested: fewer than {MINIMUM_SEEDS} successful seeds.")
    for baseline, mine in decided.groupby("baseline", sort=False):
        variants = {
            verdict: [f"{name}{apart.get(name, '')}" for name in those]
            for verdict, those in mine.groupby("verdict")["variant"]
        }
        parts = [
            f"{verdict}: {text.listed(variants[verdict])}"
            for verdict in ("better", "worse", "not significantly different")
            if verdict in variants
        ]
        found.append(f"Compared with {baseline}, {'; '.join(parts)}.")
    if len(decided):
        found.append(
            f"Significant: adjusted p of at most {results.alpha:.1%}. The ranking tests all pairs: other intervals."
        )
    smallest = decided["detectable"].dropna()
    if len(smallest):
        low, high = text.number(smallest.min()), text.number(smallest.max())
        span = low if low == high else f"{low} to {high}"
        word = "ratio" if results.geometric else "difference"
        found.append(f"Minimum detectable {word} (80% power) of the planned comparisons: {span}.")
    return found


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
        "binomial intervals. A variant with more failed seeds than values is ranked after all others, one without "
        "a value is not ranked.",
    )
    yield "Floor", f"The row real: {floor_title(results)} in place of generated ones, with equal num_samples."
    if (results.runs["conditioning"] != "none").any() and results.samples == "images":
        yield (
            "Conditional variants",
            "They generate the classes of the reference images; Class KL and Label accuracy measure how well.",
        )
    yield (
        "Ranking",
        "Games-Howell test of all pairs, family-wise error rate "
        f"{results.alpha:.1%}: variants without a common letter are significantly different. In report.md and the "
        f"terminal {SIMILAR} marks those that are not significantly different from the best. This does not show that "
        "they are equal. The ratio to the best has the simultaneous interval of the same test. A variant "
        "trained on more than "
        f"{UNEQUAL:g} times the {results.samples} of the others, or fewer than 1/{UNEQUAL:g}, is not ranked with them.",
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
        f"{measure}, first over second, with a simultaneous interval (Welch, "
        f"Bonferroni over {text.plural(tests, 'comparison')} at {results.alpha:.1%}, cut at no difference where Holm's "
        "method finds one), so that it agrees with the verdict; "
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
    cluster = ""
    if results.manifest.get("executor") == "ray":
        cluster = " Each run is a task of a Ray cluster: times are comparable only as far as its nodes are equal."
    yield "Seconds", f"Wall time of training on the {device}, without evaluation{parallel}.{cluster}"
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
