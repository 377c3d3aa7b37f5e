"""Families of equal names made of one variant's recorded seeds, and what the suite declares about them."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import interpolate, stats

from gan_zoo.bench.records import read_manifest
from gan_zoo.bench.tables import FLOOR, default_extractor, tables
from gan_zoo.errors import GanZooError
from gan_zoo.statistics import MINIMUM_SEEDS, Sample, contrasts, is_failure, not_different_from_best, shared_alpha

METRIC = "fid"
LEAST = 40  # seeds
QUESTIONS = ("contrasts", "ranking", "either")


@dataclass(frozen=True)
class Runs:
    """Final FIDs of one variant, a seed each (seeds,), NaN where the seed failed, and where they come from."""

    values: np.ndarray
    facts: dict[str, Any]

    @property
    def spread(self) -> float:
        """Deviation of the surviving seeds' logarithms."""
        return float(np.nanstd(np.log(self.values), ddof=1))


def recorded(folder: Path) -> Runs:
    """The finished seeds of the variant with most of them in a results folder.

    Raises:
        GanZooError: no results folder, no FID in it, or fewer than LEAST seeds of every variant.
    """
    manifest, runs = read_manifest(folder), tables(folder)["runs"]
    extractor = default_extractor(manifest)
    column = f"final_{METRIC}_{extractor}"
    if column not in runs:
        raise GanZooError(f"{folder} has no final FID; name a folder of `gan-zoo bench aa`")
    failed = runs["status"].map(is_failure)
    runs = runs.assign(failed=failed)[(runs["variant"] != FLOOR) & (failed | (runs["status"] == "ok"))]
    runs = runs[runs["failed"] | runs[column].notna()]
    counts = runs["variant"].value_counts()
    most = int(counts.max()) if len(counts) else 0
    if most < LEAST:
        raise GanZooError(f"{folder} has {most} finished seeds of a variant; an A/A test needs at least {LEAST}")
    mine = runs[runs["variant"] == counts.index[0]].sort_values("seed")
    values = mine[column].where(~mine["failed"]).to_numpy(dtype=float)
    keys = ("preset", "n", "budget", "device", "git_commit")
    facts = {"variant": str(counts.index[0]), "data": manifest["data"]["title"], "extractor": extractor}
    return Runs(values, facts | {key: manifest[key] for key in keys if key in manifest})


def draw(rng: np.random.Generator, values: np.ndarray, families: int, names: int, seeds: int) -> np.ndarray:
    """Families (families, names, seeds) of distinct runs: nothing is drawn twice within a family."""
    order = rng.permuted(np.broadcast_to(np.arange(len(values)), (families, len(values))), axis=1)
    return values[order[:, : names * seeds]].reshape(families, names, seeds)


def said(family: np.ndarray) -> tuple[bool, bool]:
    """Whether the suite declares a contrast with the first name, and whether its ranking leaves a name untied.

    A name that failed more often than not is ranked last by rule, which declares no difference.
    ``family`` is (names, seeds) of FIDs, NaN where a seed failed. This is the report's own path.
    """
    samples = {
        name: Sample(tuple(mine[~np.isnan(mine)]), int(np.isnan(mine).sum()))
        for name, mine in zip(string.ascii_lowercase, family, strict=False)
    }
    first, *others = samples
    found = contrasts(samples, [(name, first) for name in others], log=True, lower_is_better=True)
    tied = not_different_from_best(samples, log=True, lower_is_better=True)
    return any(one.verdict in ("better", "worse") for one in found), any(
        name not in tied for name, sample in samples.items() if sample.values and not sample.failing
    )


def said_of_many(families: np.ndarray, alpha: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """As ``said`` for (families, names, seeds) at once: which contrasts (families, names - 1), which names untied.

    The same tests as arrays, for the hundred thousands of families that intervals and power need; a test holds the two
    equal. No seeds that all agree are expected here. ``alpha`` is that of each question, by default the suite's.
    """
    names = families.shape[1]
    alpha = shared_alpha(names) if alpha is None else alpha
    logs = np.log(families)
    count = (~np.isnan(logs)).sum(axis=2)
    told = count >= MINIMUM_SEEDS
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(logs, axis=2) / count
        part = np.nansum((logs - mean[..., None]) ** 2, axis=2) / (count - 1) / count
    mean, part = np.where(told, mean, np.inf), np.where(told, part, np.nan)
    t, freedom = _welch(mean[:, 1:], part[:, 1:], count[:, 1:], mean[:, :1], part[:, :1], count[:, :1])
    declared = _holm(2 * stats.t.sf(t, freedom)) <= alpha
    sound = 2 * count >= families.shape[2]
    told = np.where(sound.any(axis=1, keepdims=True), told & sound, told)
    mean, part = np.where(told, mean, np.inf), np.where(told, part, np.nan)
    best = mean.argmin(axis=1)[:, None]
    lead = [np.take_along_axis(array, best, axis=1) for array in (mean, part, count)]
    t, freedom = _welch(mean, part, count, *lead)
    untied = np.zeros_like(told)
    for groups in range(2, names + 1):
        mine = (told.sum(axis=1) == groups)[:, None] & told
        untied[mine] = np.sqrt(2) * t[mine] > _edge(alpha, groups)(1 / freedom[mine])
    return declared, untied


def theory(names: int, seeds: int, difference: float) -> float:
    """Power of a two-sided t-test at Holm's first step, at a difference in deviations: the noncentral t."""
    freedom, step = 2 * seeds - 2, shared_alpha(names) / (names - 1)
    edge, shift = stats.t.isf(step / 2, freedom), difference * np.sqrt(seeds / 2)
    return float(stats.nct.sf(edge, freedom, shift))


def _welch(mean: Any, part: Any, count: Any, other: Any, its: Any, many: Any) -> tuple[np.ndarray, np.ndarray]:
    """|t| and degrees of freedom from means, squared standard errors and counts, those of the other side last."""
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (part + its) ** 2 / (part**2 / (count - 1) + its**2 / (many - 1))
        return np.abs(mean - other) / np.sqrt(part + its), freedom


def _holm(ps: np.ndarray) -> np.ndarray:
    """Holm's adjusted p of each row; NaN was not tested."""
    order = np.argsort(ps, axis=1)
    left = (~np.isnan(ps)).sum(axis=1, keepdims=True) - np.arange(ps.shape[1])
    adjusted = np.maximum.accumulate(np.take_along_axis(ps, order, axis=1) * left, axis=1)
    found = np.empty_like(ps)
    np.put_along_axis(found, order, adjusted, axis=1)
    return found


@cache
def _edge(alpha: float, groups: int) -> Callable[[np.ndarray], np.ndarray]:
    """Edge of the studentized range by one over the degrees of freedom, from 2 of them on, to six digits.

    Each value takes scipy a fifth of a second: the logarithm is interpolated between Chebyshev's nodes.
    """
    nodes = 0.25 + 0.25 * np.cos(np.pi * (np.arange(10) + 0.5) / 10)
    edges = np.log(stats.studentized_range.isf(alpha, groups, 1 / nodes))
    between = interpolate.BarycentricInterpolator(nodes, edges)
    return lambda inverse: np.exp(between(inverse))
