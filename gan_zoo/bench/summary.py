"""What the tables say over seeds: estimates a variant and metric, and the comparisons that the suite declares."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import MINIMUM_SEEDS, Sample, contrasts, estimate, failure_rate, is_failure

FLOOR = "real"  # the variant under which the floor (training images against the reference) is recorded
STAMP = ["data", "preset", "precision", "departures"]
SUMMARY = ["variant", "metric", "extractor", "mean", "low", "high", "seeds", "failures", "unfinished", "method",
           "median", "best_mean", "best_low", "best_high", "runs", "failure_rate", "failure_low", "failure_high", "n",
           *STAMP]  # fmt: skip
CONTRASTS = ["variant", "baseline", "metric", "extractor", "ratio", "low", "high", "p", "p_adjusted", "verdict",
             "effect", "effect_low", "effect_high", "improvement", "improvement_low", "improvement_high", "detectable",
             "seeds", "baseline_seeds", "failures", "baseline_failures", *STAMP]  # fmt: skip


def samples(runs: pd.DataFrame, column: str) -> dict[str, Sample]:
    """Every trained variant's surviving seeds in a column of ``runs``, and the count of its failures."""
    found = {}
    for variant in runs.loc[runs["variant"] != FLOOR, "variant"].unique():
        mine = runs[runs["variant"] == variant]
        values = mine.loc[mine["status"] == "ok", column].dropna() if column in mine else ()
        found[variant] = Sample(tuple(float(value) for value in values), int(mine["status"].map(is_failure).sum()))
    return found


def contrast_rows(
    runs: pd.DataFrame, metrics: pd.DataFrame, manifest: Mapping[str, Any], leading: str
) -> Iterable[dict[str, Any]]:
    """A row a declared pair and extractor; each extractor's are a family of their own, with a scale of its own.

    Data, preset, precision and departures are those of the first of the pair.
    """
    if leading not in METRICS:
        return
    stamps = runs.drop_duplicates("variant").set_index("variant")[STAMP].to_dict("index")
    shape = {"log": METRICS[leading].log, "lower_is_better": METRICS[leading].better == "lower"}
    for extractor in metrics.loc[metrics["metric"] == leading, "extractor"].unique():
        found = samples(runs, f"final_{leading}_{extractor}")
        for contrast in contrasts(found, _pairs(manifest, found), **shape):
            facts = {name: getattr(contrast, name) for name in CONTRASTS if hasattr(contrast, name)}
            facts |= {name: counts[0] for name, counts in (("seeds", contrast.seeds), ("failures", contrast.failures))}
            yield facts | {
                "variant": contrast.first, "baseline": contrast.second, "metric": leading, "extractor": extractor,
                "baseline_seeds": contrast.seeds[1], "baseline_failures": contrast.failures[1],
                **{str(key): value for key, value in stamps[contrast.first].items()},
            }  # fmt: skip


def _pairs(manifest: Mapping[str, Any], found: Mapping[str, Sample]) -> list[tuple[str, str]]:
    """The pairs that the run declared; of one that declares none, each against the first that can be compared."""
    if (declared := manifest.get("contrasts")) is not None:
        return [(first, second) for first, second in declared if {first, second} <= found.keys()]
    able = [name for name, sample in found.items() if len(sample.values) >= MINIMUM_SEEDS]
    baseline = next(iter(able or found))
    return [(name, baseline) for name in found if name != baseline]


def summary_rows(
    runs: pd.DataFrame, metrics: pd.DataFrame, own: str, leading: str, classes: int | None
) -> Iterable[dict[str, Any]]:
    """A row a variant, extractor and metric, the data's own extractor first; ``classes`` bound the modes of points."""
    for variant in runs["variant"].unique():
        mine, measured = runs[runs["variant"] == variant], metrics[metrics["variant"] == variant]
        pairs = set(zip(measured["extractor"], measured["metric"], strict=True)) | {(own, leading)}
        for extractor, metric in sorted(pairs, key=lambda pair: (pair[0] != own, pair[0], metric_order(pair[1]))):
            n = measured.loc[(measured["extractor"] == extractor) & (measured["metric"] == metric), "n"]
            limits = METRICS[metric].limits(classes) if metric in METRICS else (-math.inf, math.inf)
            yield _summary_row(mine, metric, extractor, limits) | {"n": n.iloc[-1] if len(n) else None}


def _summary_row(runs: pd.DataFrame, metric: str, extractor: str, limits: tuple[float, float]) -> dict[str, Any]:
    survivors = runs[runs["status"] == "ok"]
    values = {
        moment: [float(value) for value in survivors.get(f"{moment}_{metric}_{extractor}", pd.Series(dtype=float))]
        for moment in ("final", "best")
    }
    final, best = (estimate(metric, values[moment], bounds=limits) for moment in ("final", "best"))
    ended = runs["status"] != "unfinished"
    failures = failure_rate(int(runs["status"].map(is_failure).sum()), int(ended.sum()))
    return {
        **{key: runs[key].iloc[0] for key in ("variant", *STAMP)},
        "metric": metric, "extractor": extractor,
        "mean": final.mean, "low": final.low, "high": final.high, "seeds": final.seeds, "method": final.method,
        "failures": failures.count,
        "unfinished": int((runs["status"] == "unfinished").sum()),
        "runs": failures.of, "failure_rate": failures.share, "failure_low": failures.low, "failure_high": failures.high,
        "median": pd.Series(values["final"], dtype=float).median(),
        "best_mean": best.mean, "best_low": best.low, "best_high": best.high,
    }  # fmt: skip


def metric_order(metric: str) -> int:
    """A metric's place in the catalogue; unknown ones come last."""
    return list(METRICS).index(metric) if metric in METRICS else len(METRICS)
