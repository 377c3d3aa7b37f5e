"""The sentences of a report: what the ranking and the planned comparisons show, and the methods."""

from collections.abc import Iterator

from gan_zoo import text
from gan_zoo.bench.results import SIMILAR, Results
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.figures.style import device_name, floor_title
from gan_zoo.statistics import ALPHA, MINIMUM_SEEDS


def findings(results: Results) -> list[str]:
    """What the results show and what they do not, in sentences."""
    ranked = [entry for entry in results.entries if entry.kind == "ranked"]
    found = []
    if not results.measured:
        found = ["Nothing was measured, so there is no ranking: see the notices.", *_excluded(results)]
    elif not ranked:
        found = ["No variant has a successful seed: there is no ranking."]
    else:
        found = [*_ranking(results), *_excluded(results), *_unequal(results)]
    return [*found, *comparison_findings(results)]


def _ranking(results: Results) -> Iterator[str]:
    """The best variant, and those that are not significantly different from it."""
    first, *others = ranked = [entry for entry in results.entries if entry.kind == "ranked"]
    best = text.estimate(first.value.mean, first.value.low, first.value.high)
    among = " of the variants with at most half of their seeds failed" if any(e.mostly_failed for e in others) else ""
    extreme = "lowest" if results.metric.better == "lower" else "highest"
    yield f"{first.variant} has the {extreme} final {results.metric.title}{among}, {best}."
    tested = [entry for entry in others if min(entry.value.seeds, first.value.seeds) >= MINIMUM_SEEDS]
    similar = text.listed([entry.variant for entry in tested if entry.similar])
    if similar:
        yield f"Not significantly different from it, marked {SIMILAR}: {similar}."
    elif tested:
        yield f"All other {'tested ' * (len(tested) < len(others))}variants are significantly different from it."
    few = [entry.variant for entry in ranked if entry.value.seeds < MINIMUM_SEEDS]
    if few:
        whose = "no variant was tested" if len(few) == len(ranked) else f"not tested: {text.listed(few)}"
        yield f"Fewer than {MINIMUM_SEEDS} successful seeds: {whose}."


def _excluded(results: Results) -> Iterator[str]:
    """Which seeds are in no mean."""
    failed = [f"{entry.variant} ({text.share(entry.failures)})" for entry in results.entries if entry.failures.count]
    silent = {e.variant: e.successful - e.value.seeds for e in results.entries if e.kind == "ranked"}
    unfinished = {entry.variant: entry.unfinished for entry in results.entries}
    groups = {
        "Failed seeds": failed,
        "Successful seeds whose value is not finite": [f"{name} ({count})" for name, count in silent.items() if count],
        "Unfinished seeds": [f"{name} ({count})" for name, count in unfinished.items() if count],
    }
    for title, names in groups.items():
        if names:
            yield f"{title}, not in the means: {text.listed(names)}."


def _unequal(results: Results) -> Iterator[str]:
    """Unequal numbers of samples seen, which equal steps do not prevent, and noisy timings."""
    runs = results.successful.groupby("variant", sort=False)
    seen = runs["images"].max().astype(float)
    more = [f"{name} {text.count(count)}" for name, count in seen.items() if count > 1.5 * seen.min()]
    if more:
        samples = results.samples.capitalize()
        yield f"{samples} seen are not equal: {text.listed(more)}; others about {text.count(seen.min())}."
    seconds = runs["seconds"].agg(["min", "max"])
    noisy = seconds[seconds["max"] > 2 * seconds["min"]]
    if len(noisy):
        ranges = [f"{name} {text.number(row['min'])} to {text.number(row['max'])} s" for name, row in noisy.iterrows()]
        yield f"Timings are noisy: seeds of one variant took {text.listed(ranges)}."


def comparison_findings(results: Results) -> list[str]:
    """What the planned comparisons show, in sentences."""
    lines = results.planned
    tested = lines[lines["verdict"] != "too few seeds"]
    found = []
    if len(lines) > len(tested):
        left = text.plural(len(lines) - len(tested), "planned comparison")
        found.append(f"{left} not tested: fewer than {MINIMUM_SEEDS} successful seeds.")
    for baseline, mine in tested.groupby("baseline", sort=False):
        variants = {verdict: list(those) for verdict, those in mine.groupby("verdict")["variant"]}
        parts = [
            f"{verdict}: {text.listed(variants[verdict])}"
            for verdict in ("better", "worse", "not significantly different")
            if verdict in variants
        ]
        found.append(f"Compared with {baseline}, {'; '.join(parts)}.")
    smallest = tested["detectable"].dropna()
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
