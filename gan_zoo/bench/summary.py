"""Rows over seeds: the summary of each variant and metric, and the planned comparisons."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from gan_zoo.bench.schema import STAMP
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR
from gan_zoo.statistics import MINIMUM_SEEDS, Sample, contrasts, estimate, failure_rate, is_failure

EFFECTS = ["effect", "effect_low", "effect_high", "improvement", "improvement_low", "improvement_high", "detectable"]
_ESTIMATE = ["mean", "low", "high", "seeds", "failures", "unfinished", "method", "median"]
_BEST = ["best_mean", "best_low", "best_high"]
_FAILURES = ["runs", "failure_rate", "failure_low", "failure_high"]
_TESTS = ["ratio", "low", "high", "p", "p_adjusted", "verdict", *EFFECTS]
_COUNTS = ["seeds", "baseline_seeds", "failures", "baseline_failures"]
SUMMARY = ["variant", "metric", "extractor", *_ESTIMATE, *_BEST, *_FAILURES, "num_samples", *STAMP]
CONTRASTS = ["variant", "baseline", "metric", "extractor", *_TESTS, *_COUNTS, *STAMP]


def untrained(manifest: Mapping[str, Any]) -> set[str]:
    """The names in tables that are not of trained variants: real images, and those that were made elsewhere."""
    return {FLOOR, *manifest.get("images", {})}


def samples(runs: pd.DataFrame, column: str, manifest: Mapping[str, Any]) -> dict[str, Sample]:
    """The values of each trained variant's successful seeds in a column of ``runs``, and its number of failures."""
    found = {}
    for variant in runs.loc[~runs["variant"].isin(untrained(manifest)), "variant"].unique():
        mine = runs[runs["variant"] == variant]
        values = mine.loc[mine["status"] == "ok", column].dropna() if column in mine else ()
        found[variant] = Sample(tuple(float(value) for value in values), int(mine["status"].map(is_failure).sum()))
    return found


def scale_of(metric: str) -> dict[str, bool]:
    """The arguments of the significance tests for a metric."""
    return {"log": METRICS[metric].log, "lower_is_better": METRICS[metric].better == "lower"}


def contrast_rows(
    runs: pd.DataFrame, metrics: pd.DataFrame, manifest: Mapping[str, Any], metric: str
) -> Iterable[dict[str, Any]]:
    """A row per planned comparison and extractor; the comparisons of one extractor are one family.

    Data, preset, precision and overrides are those of the first of the pair.
    """
    if metric not in METRICS:
        return
    stamps = runs.drop_duplicates("variant").set_index("variant")[STAMP].to_dict("index")
    for extractor in metrics.loc[metrics["metric"] == metric, "extractor"].unique():
        found = samples(runs, f"final_{metric}_{extractor}", manifest)
        for contrast in contrasts(found, _pairs(manifest, found), **scale_of(metric)):
            yield {
                **{name: getattr(contrast, name) for name in _TESTS},
                **{str(key): value for key, value in stamps[contrast.first].items()},
                "variant": contrast.first,
                "baseline": contrast.second,
                "metric": metric,
                "extractor": extractor,
                "seeds": contrast.seeds[0],
                "baseline_seeds": contrast.seeds[1],
                "failures": contrast.failures[0],
                "baseline_failures": contrast.failures[1],
            }


def _pairs(manifest: Mapping[str, Any], found: Mapping[str, Sample]) -> list[tuple[str, str]]:
    """The pairs of the manifest; if it has none, each variant against the first one with enough seeds."""
    planned = manifest.get("contrasts")
    if planned is not None:
        return [(first, second) for first, second in planned if {first, second} <= found.keys()]
    testable = [name for name, sample in found.items() if len(sample.values) >= MINIMUM_SEEDS]
    baseline = next(iter(testable or found))
    return [(name, baseline) for name in found if name != baseline]


def summary_rows(
    runs: pd.DataFrame, metrics: pd.DataFrame, extractor: str, metric: str, classes: int | None
) -> Iterable[dict[str, Any]]:
    """A row per variant, extractor and metric, the default ``extractor`` first; ``metric`` is the one that ranks.

    ``classes`` is the upper bound of the modes of points.
    """
    for variant in runs["variant"].unique():
        mine = runs[runs["variant"] == variant]
        measured = metrics[metrics["variant"] == variant]
        keys = zip(measured["extractor"], measured["metric"], strict=True)
        counts = {(extractor, metric): None} | dict(zip(keys, measured["num_samples"], strict=True))
        for pair in table_order(counts, extractor):
            yield _summary_row(mine, pair[1], pair[0], classes) | {"num_samples": counts[pair]}


def _summary_row(runs: pd.DataFrame, metric: str, extractor: str, classes: int | None) -> dict[str, Any]:
    successful = runs[runs["status"] == "ok"]
    final_values, best_values = (
        successful.get(f"{moment}_{metric}_{extractor}", pd.Series(dtype=float)) for moment in ("final", "best")
    )
    settings: dict[str, Any] = {"log": METRICS[metric].log, "bounds": METRICS[metric].limits(classes)}
    best = estimate(best_values.tolist(), **settings)
    ended = runs["status"] != "unfinished"
    failures = failure_rate(int(runs["status"].map(is_failure).sum()), int(ended.sum()))
    return {
        **{key: runs[key].iloc[0] for key in ("variant", *STAMP)},
        **vars(estimate(final_values.tolist(), **settings)),
        "metric": metric,
        "extractor": extractor,
        "failures": failures.count,
        "unfinished": int((~ended).sum()),
        "runs": failures.of,
        "failure_rate": failures.share,
        "failure_low": failures.low,
        "failure_high": failures.high,
        "median": final_values.median(),
        "best_mean": best.mean,
        "best_low": best.low,
        "best_high": best.high,
    }


def table_order(pairs: Iterable[tuple[str, str]], default: str) -> list[tuple[str, str]]:
    """Pairs of extractor and metric: the default extractor first, metrics as in the registry, unknown ones last."""
    order = list(METRICS)
    places = {pair: order.index(pair[1]) if pair[1] in METRICS else len(order) for pair in pairs}
    return sorted(places, key=lambda pair: (pair[0] != default, pair[0], places[pair]))
