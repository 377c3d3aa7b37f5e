"""Several results folders measured by one protocol: one ranking, and tests of later runs against earlier ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from gan_zoo.bench.folder import damages
from gan_zoo.bench.matching import Folder, Pair, full_name, notes_on, pairs_of, read_folders
from gan_zoo.bench.protocol import Protocol
from gan_zoo.bench.results import rank
from gan_zoo.bench.summary import EFFECTS, scale_of
from gan_zoo.metrics.registry import Metric
from gan_zoo.statistics import Contrast, Sample, contrasts, holm, shared_alpha

REGRESSION = "regression"
SAME = "the same runs"
FAILED = "failures"
_VERDICTS = {"worse": REGRESSION, "better": "improved"}
_ESTIMATE = ["mean", "low", "high", "seeds", "failures", "unfinished"]
_RANKING = ["rank", "name", "variant", "folder", *_ESTIMATE, "not_different"]
_TESTS = ["ratio", "low", "high", "p", "p_adjusted", *EFFECTS]
_COUNTS = ["seeds_earlier", "seeds_later", "failures_earlier", "failures_later"]
_CONTRASTS = ["variant", "earlier", "later", *_TESTS, *_COUNTS, "p_failures", "verdict", "because"]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        metric: the primary metric.
        protocol: how all values were measured, as recorded in the first folder.
        ranking: a row per variant and folder, in the order of `gan_zoo.bench.results.rank`; ``not_different`` marks
            those that are not significantly different from the best.
        contrasts: a row for each variant of a folder that an earlier one has too, later against earlier: ``ratio`` (of
            geometric means, or the difference of means), its interval, p-values and a verdict; ``because`` names what
            the verdict rests on, the metric or the failures. Seeds and failures are those that were compared.
        alpha: significance level of the adjusted p-values of ``contrasts``.
        missing: the variants that a folder has and a later one lacks, each with the later folder.
        notes: sentences for the reader.
    """

    metric: Metric
    protocol: Protocol
    ranking: pd.DataFrame
    contrasts: pd.DataFrame
    alpha: float
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def regressions(self) -> list[str]:
        """The variants that are worse than before, each with its folder."""
        found = self.contrasts[self.contrasts["verdict"] == REGRESSION]
        return [full_name(row["variant"], row["later"]) for row in found.to_dict("records")]


def compare(paths: Sequence[Path], allow: Sequence[str] = ()) -> Comparison:
    """Compare results folders by their primary metric, the first being the earliest run.

    Raises:
        GanZooError: fewer than two folders, one named twice or that is no results folder, one without a measured row,
            or folders that differ in data, split, image size, extractor, num_samples or primary metric, or in
            ``precision``, ``versions`` or ``budget`` unless in ``allow``: then with a line per difference.
    """
    folders, allowed = read_folders(paths, allow)
    pairs, missing = pairs_of(folders)
    found = {
        full_name(variant, folder.label): folder.sample(variant) for folder in folders for variant in folder.variants
    }
    # Welch's tests of the metric and Fisher's of the failures share what `shared_alpha` leaves to comparisons
    # (Bonferroni); without a failure Fisher's have nothing to test.
    failed = any(pair.before.failures or pair.after.failures for pair in pairs if not pair.same)
    alpha = shared_alpha(len(found)) / (2 if failed else 1)
    return Comparison(
        metric=folders[0].results.metric,
        protocol=folders[0].protocol,
        ranking=_ranking(folders),
        contrasts=_contrasts(found, pairs, folders[0].results.metric, alpha),
        alpha=alpha,
        missing=tuple(full_name(pair.variant, pair.later.label) for pair in missing),
        notes=(
            *(f"{line}: allowed to differ" for line in allowed),
            *(f"{pair.variant} is in {pair.earlier.label} and not in {pair.later.label}" for pair in missing),
            *_machine_notes(folders),
            *(note for pair in pairs for note in notes_on(pair)),
            *(note for folder in folders for note in _progress_notes(folder)),
            *(line for path in paths for line in damages(path)),
        ),
    )


def _ranking(folders: Sequence[Folder]) -> pd.DataFrame:
    rows = [
        {
            **vars(entry.value),
            "rank": entry.rank,
            "name": full_name(entry.variant, entry.folder),
            "variant": entry.variant,
            "folder": entry.folder,
            "failures": entry.failures.count,
            "unfinished": entry.unfinished,
            "not_different": entry.similar,
        }
        for entry in rank({folder.label: folder.results for folder in folders})
    ]
    return pd.DataFrame(rows, columns=_RANKING).astype({"rank": "Int64"})


def _contrasts(found: dict[str, Sample], pairs: Sequence[Pair], metric: Metric, alpha: float) -> pd.DataFrame:
    """Later against earlier: Welch's test of the metric, and Fisher's exact test of the failures.

    Holm adjusts each family separately, for the level ``alpha``. Shared runs are left out of the later sample; without
    others the pair is not tested. A variant that lost all successful seeds is a regression without a test: few seeds of
    many variants could not be significant.
    """
    tested = [pair for pair in pairs if not pair.same]
    found = found | {pair.names[0]: pair.after for pair in tested}
    made = contrasts(found, [pair.names for pair in tested], **scale_of(metric.name), alpha=alpha)
    failures = holm([_more_failures(pair.before, pair.after) for pair in tested])
    outcomes = zip(made, failures, strict=True)
    rows = []
    for pair in pairs:
        later = pair.later.sample(pair.variant) if pair.same else pair.after
        row: dict[str, Any] = {
            "variant": pair.variant,
            "earlier": pair.earlier.label,
            "later": pair.later.label,
            "seeds_earlier": len(pair.before.values),
            "seeds_later": len(later.values),
            "failures_earlier": pair.before.failures,
            "failures_later": later.failures,
            "verdict": SAME,
            "because": "",
        }
        rows.append(row if pair.same else row | _verdict(pair, *next(outcomes), alpha))
    return pd.DataFrame(rows, columns=_CONTRASTS)


def _verdict(pair: Pair, made: Contrast, p_failures: float, alpha: float) -> dict[str, Any]:
    """The numbers of a contrast, with the verdict and what it rests on."""
    verdict = _VERDICTS.get(made.verdict, made.verdict)
    because = pair.later.results.metric.title if made.verdict in _VERDICTS else ""
    if verdict != REGRESSION and (pair.lost or p_failures <= alpha):
        verdict = REGRESSION
        because = FAILED
    numbers = {key: getattr(made, key) for key in _TESTS}
    return numbers | {"p_failures": p_failures, "verdict": verdict, "because": because}


def _more_failures(earlier: Sample, later: Sample) -> float:
    """p of so many failures of the later runs if both are equally likely to fail: Fisher's exact test.

    NaN if no run failed: such a table cannot be significant, and does not count in Holm's family. Source: Tarone, "A
    modified Bonferroni method for discrete data", Biometrics 46, 1990.
    """
    if not (earlier.failures or later.failures):
        return math.nan
    table = [[sample.failures, len(sample.values)] for sample in (later, earlier)]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


def _machine_notes(folders: Sequence[Folder]) -> Iterator[str]:
    """Differences in device and numerics version."""
    first = folders[0]
    for other in folders[1:]:
        for title, key in (("device", "device"), ("NUMERICS_VERSION", "numerics")):
            if first.recorded(key) != other.recorded(key):
                yield f"{title}: {first.recorded(key)} in {first.label} and {other.recorded(key)} in {other.label}"


def _progress_notes(folder: Folder) -> Iterator[str]:
    """What is unfinished or not started."""
    unfinished = folder.results.runs.loc[folder.results.runs["status"] == "unfinished", "variant"]
    if len(unfinished):
        listed = ", ".join(f"{variant} ({count})" for variant, count in unfinished.value_counts(sort=False).items())
        yield f"unfinished seeds of {folder.label} are not in the means: {listed}"
    planned = len(folder.results.manifest["runs"])
    if planned > len(folder.records):
        yield f"{planned - len(folder.records)} of {planned} runs of {folder.label} have not started"
