"""The five tables of a results folder, made from its records alone, as CSV files and as pandas frames.

The same records give byte-identical files. A figure belongs to its extractor: no column mixes two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo.bench.protocol import fingerprint_of
from gan_zoo.bench.records import RunRecord, read_manifest, read_runs
from gan_zoo.bench.summary import CONTRASTS, FLOOR, STAMP, SUMMARY, contrast_rows, metric_order, summary_rows
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import EXACT

__all__ = [
    "FLOOR",
    "TABLES",
    "Results",
    "own_extractor",
    "ranked_by",
    "read_results",
    "tables",
    "write_tables",
]
TABLES = ("runs", "history", "metrics", "summary", "contrasts")

_TEXT = {"variant", "status", "message", "cell", "title", "paper", "conditioning", "objective", "latent", "score_kind",
         "deviations", "metric", "extractor", "weights", "reference", "method", "execution", "fingerprint",
         "baseline", "verdict", *STAMP}  # fmt: skip
_WHOLE = {"seed", "step", "images", "n", "best_step", "steps", "discriminator_steps", "generator_steps", "batch_size",
          "generator_parameters", "discriminator_parameters", "parameters", "peak_memory_bytes", "seeds", "failures",
          "unfinished", "runs", "baseline_seeds", "baseline_failures"}  # fmt: skip
_HISTORY = ["variant", "seed", "step", "images", "seconds", "discriminator_steps", "generator_steps"]
_METRICS = ["variant", "seed", "step", "images", "seconds", "discriminator_steps", "generator_steps", "metric",
            "extractor", "n", "value", "weights", "reference", "fraction", "selection", "fingerprint",
            *STAMP]  # fmt: skip
_RUN_AHEAD = ["variant", "seed", "status"]
_RUN_BEHIND = ["best_step", "steps", "images", "discriminator_steps", "generator_steps", "seconds",
               "warmup_seconds", "evaluation_seconds", "images_per_second", "execution", "generator_parameters",
               "discriminator_parameters", "parameters",
               "peak_memory_bytes", "message", "title", "paper", "conditioning", "objective", "score_kind", "latent",
               "batch_size", "deviations", "cell", *STAMP]  # fmt: skip


@dataclass(frozen=True)
class Results:
    """A results folder as pandas tables, and its manifest.

    ``runs`` has one row a cell, ``history`` one a recorded block of steps, ``metrics`` one a measured value (long),
    ``summary`` one a variant, metric and extractor, ``contrasts`` one a pair of variants that the suite compares by the
    leading measure, for each extractor.
    """

    runs: pd.DataFrame
    history: pd.DataFrame
    metrics: pd.DataFrame
    summary: pd.DataFrame
    contrasts: pd.DataFrame
    manifest: dict[str, Any]


def own_extractor(manifest: Mapping[str, Any]) -> str:
    """The data set's own extractor, by whose figures variants are ranked: the first that is not ``inception``."""
    names = list(manifest.get("extractors", {}))
    return min(names, key=lambda name: name == "inception", default="")


def ranked_by(manifest: Mapping[str, Any]) -> str:
    """The measure by which variants are ranked and the best evaluation is chosen."""
    return str(manifest.get("ranked_by", "fid"))


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The frames of a results folder by name (`TABLES`), from its records.

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    manifest = read_manifest(folder)
    cells = [cell for cell in read_runs(folder) if cell.begin]
    metrics = _frame((row for cell in cells for row in _metric_rows(cell, manifest)), _METRICS)
    own, leading = own_extractor(manifest), ranked_by(manifest)
    runs = _runs(cells, metrics, own, leading)
    return {
        "runs": runs,
        "history": _frame((row for cell in cells for row in _history_rows(cell)), [*_HISTORY, ..., *STAMP]),
        "metrics": metrics,
        "summary": _frame(summary_rows(runs, metrics, own, leading, manifest["data"].get("classes")), SUMMARY),
        "contrasts": _frame(contrast_rows(runs, metrics, manifest, leading), CONTRASTS),
    }


def write_tables(folder: Path) -> Results:
    """Write the tables as CSV files into the folder, each atomically, and return them.

    Raises:
        StorageError: the folder cannot be written to.
    """
    frames = tables(folder)
    for name, frame in frames.items():
        atomic_write(Path(folder) / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    return Results(**frames, manifest=read_manifest(folder))


def read_results(folder: Path) -> Results:
    """Read the tables of a results folder: its CSV files, or its records if one of the files is missing.

    Raises:
        GanZooError: not a results folder, or a CSV file that cannot be read.
    """
    manifest = read_manifest(folder)
    if not all((Path(folder) / f"{name}.csv").is_file() for name in TABLES):
        return Results(**tables(folder), manifest=manifest)
    frames = {}
    for name in TABLES:
        path = Path(folder) / f"{name}.csv"
        try:
            frames[name] = _typed(pd.read_csv(path))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise GanZooError(f"cannot read {path} ({reason}); `gan-zoo report {folder}` writes it again") from None
    return Results(**frames, manifest=manifest)


def _stamp(cell: RunRecord) -> dict[str, Any]:
    begin = cell.begin
    return {"variant": begin["variant"], "seed": begin["seed"], "data": begin["data"], "preset": begin["preset"],
            "precision": begin.get("precision", EXACT),
            "departures": "; ".join(begin.get("departures", []))}  # fmt: skip


def _history_rows(cell: RunRecord) -> Iterable[dict[str, Any]]:
    for row in cell.history:
        yield _stamp(cell) | {key: row.get(key) for key in _HISTORY[2:]} | row["values"]


def _metric_rows(cell: RunRecord, manifest: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    # An evaluation that was repeated after a resume counts once, in its later form.
    for row in {(row["step"], row["extractor"]): row for row in cell.metrics}.values():
        facts = {key: row.get(key) for key in _METRICS if key in row}
        facts["fingerprint"] = fingerprint_of(cell.begin, row, manifest).digest
        selection = row.get("selection") or {}
        for metric, value in row["values"].items():
            measured = {"metric": metric, "value": value, "selection": selection.get(metric)}
            yield _stamp(cell) | facts | measured


def _runs(cells: list[RunRecord], metrics: pd.DataFrame, own: str, leading: str) -> pd.DataFrame:
    rows = []
    for cell in cells:
        stamp, end = _stamp(cell), cell.end or _so_far(cell)
        mine = metrics[(metrics["variant"] == stamp["variant"]) & (metrics["seed"] == stamp["seed"])]
        best_step = _best_step(mine[(mine["extractor"] == own) & (mine["metric"] == leading)], leading)
        values = {
            f"{moment}_{row.metric}_{row.extractor}": row.value
            for moment, chosen in (("best", mine["step"] == best_step), ("final", mine["fraction"] >= 1))
            for row in mine[chosen].itertuples()
        }
        parameters = {f"{role}_parameters": count for role, count in cell.begin.get("parameters", {}).items()}
        facts = {key: (end if key in end else cell.begin).get(key) for key in _RUN_BEHIND}
        facts |= {"message": end.get("message", ""), "deviations": "; ".join(cell.begin.get("deviations", []))}
        total = {"parameters": sum(parameters.values()) if parameters else None}
        rows.append(facts | total | parameters | values | stamp
                    | {"status": cell.status, "best_step": best_step, "cell": cell.name})  # fmt: skip
    names = sorted({key for row in rows for key in row if key.startswith(("best_", "final_"))} - {"best_step"},
                   key=lambda key: _column_order(key, own))  # fmt: skip
    return _frame(rows, [*_RUN_AHEAD, *names, *_RUN_BEHIND])


def _so_far(cell: RunRecord) -> dict[str, Any]:
    return {**cell.history[-1], "steps": cell.history[-1]["step"]} if cell.history else {}


def _best_step(evaluations: pd.DataFrame, metric: str) -> int | None:
    """The step with the best value on the draw of samples that is not reported; None where nothing was selected on."""
    selected = evaluations.dropna(subset=["selection"])
    rising = METRICS[metric].better == "lower"
    ordered = selected.sort_values("selection", kind="stable", ascending=rising)
    return int(ordered["step"].iloc[0]) if len(ordered) else None


def _column_order(key: str, own: str) -> tuple[bool, str, int, bool]:
    moment, rest = key.split("_", 1)
    metric = next((name for name in sorted(METRICS, key=len, reverse=True) if rest.startswith(f"{name}_")), rest)
    extractor = rest.removeprefix(f"{metric}_")
    return extractor != own, extractor, metric_order(metric), moment == "final"


def _frame(rows: Iterable[dict[str, Any]], columns: list[Any]) -> pd.DataFrame:
    """A frame with these columns in this order; ``...`` stands for all others that the rows have, as first met."""
    rows = list(rows)
    others = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in columns]
    names = [name for column in columns for name in (others if column is ... else [column])]
    return _typed(pd.DataFrame(rows, columns=names))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for name in frame.columns:
        if name in _TEXT:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
        else:
            frame[name] = frame[name].astype("Int64" if name in _WHOLE else "float64")
    return frame
