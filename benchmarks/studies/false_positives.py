"""False positives and power of the report, on recorded seeds of one variant.

Example: gan-zoo bench aa --preset quick --out results/trust/aa
         python -m benchmarks.studies.false_positives results/trust/aa

Divides the seeds into families of equal "variants", counts the differences that the report would show, plants
differences to measure the power, and writes aa.json and aa.md to --out.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import interpolate, stats

from benchmarks.common import run_command, table
from gan_zoo.bench.folder import read_manifest
from gan_zoo.bench.records import write_json
from gan_zoo.bench.results import default_extractor
from gan_zoo.bench.tables import tables
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.options import FLOOR
from gan_zoo.statistics import ALPHA, CONFIDENCE, MINIMUM_SEEDS, is_failure, shared_alpha

SEEDS = (5, 10, 20)
NAMES, SEEDS_A_NAME, FAMILIES, SUBSETS = 4, 5, 2_000, 200
PLANTED = (0.5, 1.0, 2.0)
"""Planted differences, in standard deviations of log FID over seeds."""
LEAST_SEEDS = 40
QUESTIONS = ("contrasts", "ranking", "either")

Shares = dict[str, float]


@dataclass(frozen=True)
class Runs:
    """Final FIDs of one variant, a seed each (seeds,), NaN if the seed failed, and their origin."""

    values: np.ndarray
    facts: dict[str, Any]

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithms of the successful seeds."""
        return float(np.nanstd(np.log(self.values), ddof=1))


def recorded(folder: Path) -> Runs:
    """The finished seeds of the variant with most of them in a results folder.

    Raises:
        GanZooError: no results folder, no FID in it, or fewer than LEAST_SEEDS seeds of every variant.
    """
    manifest = read_manifest(folder)
    runs = tables(folder)["runs"]
    extractor = default_extractor(manifest)
    column = f"final_fid_{extractor}"
    if column not in runs:
        raise GanZooError(f"{folder} has no final FID; name a folder of `gan-zoo bench aa`")
    failed = runs["status"].map(is_failure)
    runs = runs.assign(failed=failed)[(runs["variant"] != FLOOR) & (failed | (runs["status"] == "ok"))]
    runs = runs[runs["failed"] | runs[column].notna()]
    counts = runs["variant"].value_counts()
    most = int(counts.max()) if len(counts) else 0
    if most < LEAST_SEEDS:
        raise GanZooError(f"{folder} has {most} finished seeds of a variant; an A/A test needs at least {LEAST_SEEDS}")
    mine = runs[runs["variant"] == counts.index[0]].sort_values("seed")
    values = mine[column].where(~mine["failed"]).to_numpy(dtype=float)
    keys = ("preset", "num_samples", "budget", "device", "git_commit")
    facts = {"variant": str(counts.index[0]), "data": manifest["data"]["title"], "extractor": extractor}
    return Runs(values, facts | {key: manifest[key] for key in keys if key in manifest})


def draw(rng: np.random.Generator, values: np.ndarray, families: int, names: int, seeds: int) -> np.ndarray:
    """Families (families, names, seeds) of distinct runs."""
    positions = rng.permuted(np.broadcast_to(np.arange(len(values)), (families, len(values))), axis=1)
    return values[positions[:, : names * seeds]].reshape(families, names, seeds)


def differences(families: np.ndarray, alpha: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The significant contrasts with the first name (families, names - 1), and the names that differ from the best.

    ``families`` (families, names, seeds) are FIDs, NaN if a seed failed. The tests of ``gan_zoo.statistics`` for
    hundreds of thousands of families; a test compares both. Seeds that all agree are not handled. ``alpha`` is that of
    each question, by default the suite's.
    """
    names = families.shape[1]
    alpha = shared_alpha(names) if alpha is None else alpha
    logs = np.log(families)
    successful = (~np.isnan(logs)).sum(axis=2)
    logs[successful < MINIMUM_SEEDS] = np.nan
    contrasts = _holm_rejects(_welch(logs[:, 1:], logs[:, :1]).pvalue, alpha)
    sound = 2 * successful >= families.shape[2]
    logs[~sound & sound.any(axis=1, keepdims=True)] = np.nan
    known = ~np.isnan(logs).all(axis=2)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, np.nansum(logs, axis=2) / (~np.isnan(logs)).sum(axis=2), np.inf)
    best = np.take_along_axis(logs, mean.argmin(axis=1)[:, None, None], axis=1)
    found = _welch(logs, best)
    ranking = np.zeros_like(known)
    for groups in range(2, names + 1):
        mine = (known.sum(axis=1) == groups)[:, None] & known
        ranking[mine] = np.sqrt(2) * np.abs(found.statistic[mine]) > _critical(alpha, groups)(1 / found.df[mine])
    return contrasts, ranking


def _welch(first: np.ndarray, second: np.ndarray) -> Any:
    """scipy's Welch test along the last axis, without NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return stats.ttest_ind(*np.broadcast_arrays(first, second), axis=-1, equal_var=False, nan_policy="omit")


def _holm_rejects(p: np.ndarray, alpha: float) -> np.ndarray:
    """Which hypotheses of each row Holm's method rejects; a NaN was not tested."""
    positions = np.argsort(p, axis=1)
    left = (~np.isnan(p)).sum(axis=1, keepdims=True) - np.arange(p.shape[1])
    passed = np.logical_and.accumulate(np.take_along_axis(p, positions, axis=1) * left <= alpha, axis=1)
    return np.take_along_axis(passed, np.argsort(positions, axis=1), axis=1)


@cache
def _critical(alpha: float, groups: int) -> Callable[[np.ndarray], np.ndarray]:
    """Critical value of the studentized range by one over the degrees of freedom (2 or more), to six digits.

    scipy takes a fifth of a second a value: the logarithm is interpolated between Chebyshev's nodes.
    """
    nodes = 0.25 + 0.25 * np.cos(np.pi * (np.arange(10) + 0.5) / 10)
    logs = np.log(stats.studentized_range.isf(alpha, groups, 1 / nodes))
    between = interpolate.BarycentricInterpolator(nodes, logs)
    return lambda inverse: np.exp(between(inverse))


def theory(names: int, seeds: int, difference: float) -> float:
    """Power of a two-sided t-test at Holm's first step, at a difference in deviations: the noncentral t."""
    freedom = 2 * seeds - 2
    step = shared_alpha(names) / (names - 1)
    critical = stats.t.isf(step / 2, freedom)
    shift = difference * np.sqrt(seeds / 2)
    return float(stats.nct.sf(critical, freedom, shift))


def aa(runs: Runs, *, families: int = FAMILIES, subsets: int = SUBSETS) -> dict[str, Any]:
    """The content of aa.json: shares of families with any difference, at top level of contrasts and ranking together.

    ``low`` and ``high`` of a share are over seeds: the share is measured again in subsets of two thirds of the seeds,
    without replacement (delete-d jackknife; Shao and Wu, Annals of Statistics 17, 1989), and the binomial error of the
    families is added.
    """
    rng = np.random.default_rng(0)
    found = shares(draw(rng, runs.values, families, NAMES, SEEDS_A_NAME))
    errors = seed_errors(runs.values, families, subsets, rng)
    rows = {name: counted(round(found[name] * families), families, errors[name]) for name in QUESTIONS}
    return {
        **rows["either"],
        "seeds": len(runs.values),
        "alpha": ALPHA,
        "alpha_each": shared_alpha(NAMES),
        "names": NAMES,
        "seeds_a_name": SEEDS_A_NAME,
        "failures": int(np.isnan(runs.values).sum()),
        "geometric_mean": float(np.exp(np.nanmean(np.log(runs.values)))),
        "log_deviation": runs.spread,
        **runs.facts,
        **rows,
        "power": list(power(runs, families, rng)),
    }


def counted(significant: int, of: int, error: float) -> dict[str, float]:
    """``significant``, ``of``, and the interval of their share, in [0, 1]."""
    share = significant / of
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * np.hypot(error, np.sqrt(share * (1 - share) / of))
    low, high = float(max(share - half, 0)), float(min(share + half, 1))
    return {"significant": significant, "of": of, "low": low, "high": high}


def shares(drawn: np.ndarray, alpha: float | None = None) -> Shares:
    """Share of families with any difference, by question."""
    contrasts, ranking = (which.any(axis=1) for which in differences(drawn, alpha))
    found = {"contrasts": contrasts, "ranking": ranking, "either": contrasts | ranking}
    return {name: float(np.mean(which)) for name, which in found.items()}


def seed_errors(values: np.ndarray, families: int, subsets: int, rng: np.random.Generator) -> Shares:
    """Standard error of each share from the choice of seeds, by the delete-d jackknife."""
    size = max(2 * len(values) // 3, NAMES * SEEDS_A_NAME)
    subsets_of_values = (rng.choice(values, size, replace=False) for _ in range(subsets))
    found = pd.DataFrame(shares(draw(rng, subset, families, NAMES, SEEDS_A_NAME)) for subset in subsets_of_values)
    noise = (found * (1 - found)).mean() / families  # of the families drawn in a subset
    return np.sqrt((found.var() - noise).clip(lower=0) * size / (len(values) - size)).to_dict()


def power(runs: Runs, families: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One row a number of names, seeds and planted difference: the share of families in which it is significant.

    The second name is worse by ``difference`` deviations of the logarithm. ``measured`` is the share of families whose
    contrast of the second name with the first is significant, ``ranking`` of those in which it differs from the best;
    ``normal`` is ``measured`` on simulated lognormal seeds, ``theory`` the noncentral t. A family takes distinct runs,
    so that it has as many names as fit: with 60 seeds, three of 20.
    """
    for most, seeds in ((most, seeds) for most in (2, NAMES) for seeds in SEEDS):
        names = min(most, len(runs.values) // seeds)
        if names < 2 or (most > 2 and names == 2):
            continue
        for difference in PLANTED:
            drawn = draw(rng, runs.values, families, names, seeds)
            drawn[:, 1] *= np.exp(difference * runs.spread)
            normal = rng.normal(size=drawn.shape)
            normal[:, 1] += difference
            measured, ranking = _detected(drawn)
            yield {
                "names": names,
                "seeds": seeds,
                "difference": difference,
                "measured": measured,
                "normal": _detected(np.exp(normal))[0],
                "theory": theory(names, seeds, difference),
                "ranking": ranking,
                "of": families,
            }


def _detected(families: np.ndarray) -> tuple[float, float]:
    """Shares of families in which the second name is significantly worse than the first, and than the best."""
    contrasts, ranking = differences(families)
    with np.errstate(invalid="ignore"):
        first, second = (np.nanmean(np.log(families[:, position]), axis=1) for position in (0, 1))
    return float(np.mean(contrasts[:, 0] & (second > first))), float(np.mean(ranking[:, 1]))


def markdown(found: dict[str, Any]) -> str:
    """Shares of families with a difference, and the power."""
    rows = pd.DataFrame([{"difference": name} | found[name] for name in QUESTIONS])
    rows["share"] = rows["significant"] / rows["of"]
    about = f"`{found['command']}`. {found['seeds']} seeds of `{found['variant']}`, {found['data']}, "
    about += f"{found['extractor']}; families of {found['names']} names with {found['seeds_a_name']} seeds each."
    parts = ["# False positives among equal variants", about, table(rows)]
    parts += ["## Power at a planted difference (standard deviations)", table(pd.DataFrame(found["power"]))]
    return "\n\n".join(parts) + "\n"


OPTIONS = {
    "folder": (Path, f"results with at least {LEAST_SEEDS} seeds of a variant"),
    "--out": (Path("results/trust"), "folder to write to"),
}


def run(options: argparse.Namespace) -> Path:
    """Measure and write; returns the path of the tables."""
    found = {"command": options.command} | aa(recorded(options.folder))
    write_json(options.out / "aa.json", found)
    atomic_write(options.out / "aa.md", markdown(found))
    return options.out / "aa.md"


main = partial(run_command, __doc__, "studies.false_positives", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
