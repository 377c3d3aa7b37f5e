"""Differences of final FIDs over seeds, with their intervals: of two precisions, of two variants of one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gan_zoo.bench.tables import FLOOR, default_extractor, read_results
from gan_zoo.errors import GanZooError
from gan_zoo.options import EXACT
from gan_zoo.statistics.significance import welch

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
    column = f"final_fid_{default_extractor(first)}"
    rows = []
    for variant in (name for name in first["variants"] if name != FLOOR):
        kept = {mode: _survivors(found.runs, variant, column) for mode, found in results.items()}
        if min(len(values) for values in kept.values()) < 2:
            raise GanZooError(f"{variant}: an interval needs two seeds that survived in {exact} and in {fast}")
        rows.append(
            {
                "variant": variant,
                "precision": precisions[1],
                "extractor": default_extractor(first),
                "n": first["n"],
                "seeds_exact": len(kept["exact"]),
                "seeds_fast": len(kept["fast"]),
                "fid_exact": float(kept["exact"].mean()),
                "fid_fast": float(kept["fast"].mean()),
                **_difference(kept["fast"], kept["exact"]),
            }
        )
    return rows


def contrasts(folder: Path, variant: str, others: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each other variant: the difference of mean log final FID, ``variant`` less the other one.

    By Welch's test, over the seeds that survived; ``fid`` and ``fid_other`` are geometric means, whose ratio is the
    exponential of the difference.

    Raises:
        GanZooError: no finished run with these variants, or fewer than two seeds of one that survived.
    """
    results = read_results(folder)
    manifest, extractor = results.manifest, default_extractor(results.manifest)
    if missing := [name for name in (variant, *others) if name not in manifest.get("variants", [])]:
        raise GanZooError(f"{folder} holds no run of {', '.join(missing)}; name a folder of the suite least_squares")
    column = f"final_fid_{extractor}"
    if column not in results.runs:
        raise GanZooError(f"{folder} holds no final FID; finish its run first")
    kept = {name: np.log(_survivors(results.runs, name, column).dropna()) for name in (variant, *others)}
    if few := [name for name, values in kept.items() if len(values) < 2]:
        raise GanZooError(f"{folder}: an interval needs two seeds that survived, of {', '.join(few)} too")
    return [
        {
            "variant": variant,
            "other": other,
            "data": manifest["data"]["name"],
            "preset": manifest.get("preset", ""),
            "extractor": extractor,
            "n": manifest.get("n"),
            "planned": len(manifest.get("seeds", [])),
            "seeds": len(kept[variant]),
            "seeds_other": len(kept[other]),
            "fid": float(np.exp(kept[variant].mean())),
            "fid_other": float(np.exp(kept[other].mean())),
            **_difference(kept[variant], kept[other]),
        }
        for other in others
    ]


def _difference(first: "pd.Series[float]", second: "pd.Series[float]") -> dict[str, float]:
    """The difference of means, first less second, with Welch's interval and p."""
    found = welch(first.to_numpy(), second.to_numpy())
    return {name: getattr(found, name) for name in ("difference", "low", "high", "p")}


def _survivors(runs: pd.DataFrame, variant: str, column: str) -> "pd.Series[float]":
    return runs.loc[(runs["variant"] == variant) & (runs["status"] == "ok"), column].astype(float)
