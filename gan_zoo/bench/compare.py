"""Results folders that were measured alike, side by side: one ranking, and later runs against earlier ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from gan_zoo.bench.alike import Folder, full_name, read_alike
from gan_zoo.bench.matching import Pair, notes_on, pairs_of
from gan_zoo.bench.protocol import UNKNOWN, Protocol
from gan_zoo.bench.records import damages
from gan_zoo.bench.tables import FLOOR
from gan_zoo.metrics.registry import Metric
from gan_zoo.statistics import GEOMETRIC, Contrast, Sample, contrasts, shared_alpha, tied_with_best
from gan_zoo.statistics.comparisons import holm

REGRESSION = "regression"
SAME = "the same runs"
FAILED = "failures"
_VERDICTS = {"worse": REGRESSION, "better": "improved"}
_RANKING = ["rank", "name", "variant", "folder", "mean", "low", "high", "seeds", "failures", "unfinished", "tied"]
_FACTS = ("ratio", "low", "high", "p", "p_adjusted", "effect", "effect_low", "effect_high", "improvement",
          "improvement_low", "improvement_high", "detectable")  # fmt: skip
_CONTRASTS = ["variant", "earlier", "later", *_FACTS, "seeds_earlier", "seeds_later", "failures_earlier",
              "failures_later", "p_failures", "verdict", "because"]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        metric: the measure that ranks.
        protocol: how all figures were measured, in the first folder's words.
        ranking: a row a variant and folder, the best first, then floors, then variants without a surviving seed;
            ``tied`` tells who is tied with the best.
        contrasts: a row for each variant of a folder that an earlier one has too, later against earlier: ``ratio`` (of
            geometric means, or the difference of means), its interval, p values and a verdict; ``because`` names what
            the verdict rests on, the measure or the failures. Seeds and failures are those that were compared.
        alpha: what the adjusted p values of ``contrasts`` are held against.
        missing: the variants that a folder has and a later one lacks, each with the later folder.
        notes: what a reader must know, in sentences.
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
        """The variants that are worse than they were, each with its folder."""
        found = self.contrasts[self.contrasts["verdict"] == REGRESSION]
        return [full_name(row["variant"], row["later"]) for row in found.to_dict("records")]


def compare(paths: Sequence[Path], allow: Sequence[str] = ()) -> Comparison:
    """Compare results folders by the measure that ranks them, the first being the earliest run.

    Raises:
        GanZooError: fewer than two folders, one named twice or that is none, one without a measured row, or folders
            that differ in data, split, side, extractor, N or leading measure, or in what of ``precision``, ``versions``
            and ``budget`` is not in ``allow``: then with a line a difference.
    """
    folders, allowed = read_alike(paths, allow)
    pairs, gone = pairs_of(folders)
    alpha = _alpha(folders, pairs)
    return Comparison(
        metric=folders[0].metric,
        protocol=folders[0].protocol,
        ranking=_ranking(folders),
        contrasts=_contrasts(folders, pairs, alpha),
        alpha=alpha,
        missing=tuple(full_name(pair.variant, pair.later.label) for pair in gone),
        notes=(
            *(f"{line}: allowed to differ" for line in allowed),
            *(f"{pair.variant} is in {pair.earlier.label} and not in {pair.later.label}" for pair in gone),
            *_notes(folders),
            *(note for pair in pairs for note in notes_on(pair)),
            *_waiting(folders),
            *(line for path in paths for line in damages(path)),
        ),
    )


def _samples(folders: Sequence[Folder]) -> dict[str, Sample]:
    return {
        full_name(variant, folder.label): folder.sample(variant) for folder in folders for variant in folder.variants
    }


def _scale(metric: Metric) -> dict[str, bool]:
    """How the statistics take a measure."""
    return {"log": metric.name in GEOMETRIC, "lower_is_better": metric.better == "lower"}


def _ranking(folders: Sequence[Folder]) -> pd.DataFrame:
    metric, rows, place = folders[0].metric, [], 0
    tied = tied_with_best(_samples(folders), **_scale(metric))
    for folder in folders:
        for variant, line in folder.summary.iterrows():
            name = full_name(str(variant), folder.label)
            facts = {key: line[key] for key in ("mean", "low", "high", "seeds", "failures", "unfinished")}
            rows.append({"name": name, "variant": variant, "folder": folder.label, "tied": name in tied, **facts})
    sign = 1 if metric.better == "lower" else -1
    # As in a report, a variant of which more than half of the seeds failed comes after all others.
    rows.sort(key=lambda row: (
        not row["seeds"], row["variant"] == FLOOR, row["failures"] > row["seeds"],
        sign * row["mean"] if row["seeds"] else 0.0,
    ))  # fmt: skip
    for row in rows:
        if row["seeds"] and row["variant"] != FLOOR:
            row["rank"] = place = place + 1
    return pd.DataFrame(rows, columns=_RANKING).astype({"rank": "Int64"})


def _alpha(folders: Sequence[Folder], pairs: Sequence[Pair]) -> float:
    """The error rate of each family of tests: Welch's of the measure, and Fisher's of the failures.

    The two share what `shared_alpha` leaves to contrasts, the other part being the ranking's: each has half of it
    (Bonferroni). Where no run failed Fisher's tests have nothing to find, and Welch's have the whole.
    """
    both = any(pair.before.failures or pair.after.failures for pair in pairs if not pair.same)
    return shared_alpha(len(_samples(folders))) / (2 if both else 1)


def _contrasts(folders: Sequence[Folder], pairs: Sequence[Pair], alpha: float) -> pd.DataFrame:
    """Later against earlier: Welch's contrasts of the measure, and Fisher's exact test of the failures.

    Holm adjusts each of the two families by itself, to be held against ``alpha`` (see `_alpha`). The same runs are
    left out of the later sample, and where it has no others the pair is not tested. A variant of which no run survives
    any more is a regression without a test: it leaves nothing to measure, and few seeds of many variants could not
    show it.
    """
    apart = [pair for pair in pairs if not pair.same]
    known = _samples(folders) | {pair.names[0]: pair.after for pair in apart}
    made = contrasts(known, [pair.names for pair in apart], **_scale(folders[0].metric), alpha=alpha)
    failures = holm([_more_failures(pair.before, pair.after) for pair in apart])
    tested = dict(zip((pair.names for pair in apart), zip(made, failures, strict=True), strict=True))
    rows = []
    for pair in pairs:
        facts: dict[str, Any] = {"variant": pair.variant, "earlier": pair.earlier.label, "later": pair.later.label}
        later = pair.later.sample(pair.variant) if pair.same else pair.after
        for when, sample in (("earlier", pair.before), ("later", later)):
            facts |= {f"seeds_{when}": len(sample.values), f"failures_{when}": sample.failures}
        found = {"verdict": SAME, "because": ""} if pair.same else _judged(pair, *tested[pair.names], alpha)
        rows.append(facts | found)
    return pd.DataFrame(rows, columns=_CONTRASTS)


def _judged(pair: Pair, made: Contrast, p_failures: float, alpha: float) -> dict[str, Any]:
    """A contrast's figures, with the verdict and what it rests on."""
    verdict = _VERDICTS.get(made.verdict, made.verdict)
    because = pair.later.metric.title if made.verdict in _VERDICTS else ""
    if verdict != REGRESSION and (pair.lost or p_failures <= alpha):
        verdict, because = REGRESSION, FAILED
    figures = {key: getattr(made, key) for key in _FACTS}
    return figures | {"p_failures": p_failures, "verdict": verdict, "because": because}


def _more_failures(earlier: Sample, later: Sample) -> float:
    """How probable so many failures of the later runs are, were both equally likely to fail: Fisher's exact test.

    NaN where no run failed: such a table cannot show anything, and does not count in Holm's family. Source: Tarone, "A
    modified Bonferroni method for discrete data", Biometrics 46, 1990.
    """
    if not (earlier.failures or later.failures):
        return math.nan
    table = [[sample.failures, len(sample.values)] for sample in (later, earlier)]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


def _notes(folders: Sequence[Folder]) -> Iterator[str]:
    """What else differs between the folders."""
    first = folders[0]
    for other in folders[1:]:
        for title, key in (("device", "device"), ("NUMERICS_VERSION", "numerics")):
            one, another = (_recorded(folder, key) for folder in (first, other))
            if one != another:
                yield f"{title}: {one} in {first.label} and {another} in {other.label}"


def _waiting(folders: Sequence[Folder]) -> Iterator[str]:
    """What is not there yet, or damaged."""
    for folder in folders:
        yield from (cell.damage for cell in folder.cells if cell.damage)
        waiting = folder.summary.loc[folder.summary["unfinished"] > 0, "unfinished"]
        if len(waiting):
            listed = ", ".join(f"{variant} ({count})" for variant, count in waiting.items())
            yield f"seeds of {folder.label} that are unfinished are in no mean yet: {listed}"
        if missing := len(folder.manifest["cells"]) - len(folder.cells):
            yield f"{missing} of {len(folder.manifest['cells'])} cells of {folder.label} have not begun"


def _recorded(folder: Folder, key: str) -> str:
    """A part of the identity that all cells of a folder share, in words."""
    found = next((cell.begin["identity"][key] for cell in folder.cells if key in cell.begin.get("identity", {})), None)
    return UNKNOWN if found is None else str(found)[:12]
