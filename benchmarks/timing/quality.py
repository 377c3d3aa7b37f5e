"""What a fast precision costs in quality: the difference of final FIDs over seeds, with its interval."""

from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from gan_zoo.bench.tables import FLOOR, own_extractor, read_results
from gan_zoo.errors import GanZooError
from gan_zoo.precision import EXACT

CONFIDENCE = 0.95
ALIKE = ("preset", "seeds", "budget", "n", "extractors", "variants")
"""What must be the same in both folders' manifests."""


def differences(exact: Path, fast: Path) -> list[dict[str, Any]]:
    """A row a variant: mean final FID in each precision over the seeds that survived, and the mean's difference.

    The interval is Welch's (B. L. Welch, Biometrika 34, 1947): the runs of a seed part within some twenty steps from
    rounding alone, so that pairing them would gain nothing.

    Raises:
        GanZooError: not two finished runs of one suite that differ in precision alone.
    """
    results = {"exact": read_results(exact), "fast": read_results(fast)}
    first, second = (found.manifest for found in results.values())
    unlike = [key for key in ALIKE if first.get(key) != second.get(key)]
    unlike += ["data"] if first["data"]["fingerprint"] != second["data"]["fingerprint"] else []
    if unlike:
        raise GanZooError(
            f"{exact} and {fast} differ in {', '.join(unlike)}; compare runs that differ in precision alone"
        )
    precisions = [first.get("precision", EXACT), second.get("precision", EXACT)]
    if precisions[0] != EXACT or precisions[1] == EXACT:
        raise GanZooError(f"{exact} is in {precisions[0]} and {fast} in {precisions[1]}; name the {EXACT} folder first")
    column = f"final_fid_{own_extractor(first)}"
    rows = []
    for variant in (name for name in first["variants"] if name != FLOOR):
        kept = {mode: _survivors(found.runs, variant, column) for mode, found in results.items()}
        if min(len(values) for values in kept.values()) < 2:
            raise GanZooError(f"{variant}: an interval needs two seeds that survived in {exact} and in {fast}")
        found = stats.ttest_ind(kept["fast"], kept["exact"], equal_var=False)
        interval = found.confidence_interval(CONFIDENCE)
        rows.append(
            {
                "variant": variant,
                "precision": precisions[1],
                "extractor": own_extractor(first),
                "n": first["n"],
                "seeds_exact": len(kept["exact"]),
                "seeds_fast": len(kept["fast"]),
                "fid_exact": float(kept["exact"].mean()),
                "fid_fast": float(kept["fast"].mean()),
                "difference": float(kept["fast"].mean() - kept["exact"].mean()),
                "low": float(interval.low),
                "high": float(interval.high),
            }
        )
    return rows


def _survivors(runs: pd.DataFrame, variant: str, column: str) -> "pd.Series[float]":
    return runs.loc[(runs["variant"] == variant) & (runs["status"] == "ok"), column].astype(float)
