"""The five tables of a results folder, made from its records, as CSV files and pandas frames.

The same records give byte-identical files. No column mixes the values of two extractors.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo.bench.folder import read_folder
from gan_zoo.bench.protocol import fingerprint_of
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.results import Results, default_extractor, ranked_by
from gan_zoo.bench.schema import STAMP
from gan_zoo.bench.summary import CONTRASTS, SUMMARY, contrast_rows, summary_rows, table_order
from gan_zoo.io import write_csv
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import EXACT

TABLES = ("runs", "history", "metrics", "summary", "contrasts")

_TIME = ["step", "images", "seconds", "discriminator_steps", "generator_steps"]
_MEASURED = ["weights", "reference", "fraction", "selection", "fingerprint"]
_METRICS = ["variant", "seed", *_TIME, "metric", "extractor", "num_samples", "value", *_MEASURED, *STAMP]
_PARAMETERS = ["generator_parameters", "discriminator_parameters", "parameters"]
_SPEED = ["seconds", "warmup_seconds", "evaluation_seconds", "images_per_second", "execution"]
_ENDED = ["best_step", "steps", "images", "discriminator_steps", "generator_steps", *_SPEED]
_VARIANT = ["title", "paper", "conditioning", "objective", "score_kind", "latent", "batch_size", "deviations"]
_RUN_BEHIND = [*_ENDED, *_PARAMETERS, "peak_memory_bytes", "message", *_VARIANT, "run", *STAMP]
_TEXT = {
    *(set(_VARIANT) - {"batch_size"}),
    *("variant", "baseline", "status", "message", "run", "execution", "metric", "extractor"),
    *("weights", "reference", "method", "fingerprint", "verdict", *STAMP),
}
_WHOLE = {
    *(set(_TIME) - {"seconds"}),
    *(set(_ENDED) - set(_SPEED)),
    *_PARAMETERS,
    *("seed", "num_samples", "batch_size", "peak_memory_bytes", "runs", "unfinished"),
    *("seeds", "failures", "baseline_seeds", "baseline_failures"),
}


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The frames of a results folder by name (`TABLES`), from its records.

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    results = read_results(folder)
    return {name: getattr(results, name) for name in TABLES}


def read_results(folder: Path) -> Results:
    """The tables and the manifest of a results folder, from its records.

    Raises:
        GanZooError: not a results folder, or a damaged manifest.
    """
    manifest, runs = read_folder(folder)
    records = [record for record in runs if record.begin]
    return Results(**_tables(manifest, records), manifest=manifest, records=records)


def _tables(manifest: Mapping[str, Any], records: Sequence[RunRecord]) -> dict[str, pd.DataFrame]:
    default = default_extractor(manifest)
    metric = ranked_by(manifest)
    history = (
        _stamp(record) | {key: row.get(key) for key in _TIME} | row["values"]
        for record in records
        for row in record.history
    )
    metrics = _frame((row for record in records for row in _metric_rows(record, manifest)), _METRICS)
    measured = dict(list(metrics.groupby(["variant", "seed"])))
    run_rows = []
    for record in records:
        mine = measured.get((record.begin["variant"], record.begin["seed"]), metrics.iloc[:0])
        run_rows.append(_run_row(record, mine, default, metric))
    pairs = table_order(zip(metrics["extractor"], metrics["metric"], strict=True), default)
    values = [f"{moment}_{metric}_{extractor}" for extractor, metric in pairs for moment in ("best", "final")]
    names = {key for row in run_rows for key in row}
    runs = _frame(run_rows, ["variant", "seed", "status", *[name for name in values if name in names], *_RUN_BEHIND])
    return {
        "runs": runs,
        "history": _frame(history, ["variant", "seed", *_TIME, ..., *STAMP]),
        "metrics": metrics,
        "summary": _frame(summary_rows(runs, metrics, default, metric, manifest["data"].get("classes")), SUMMARY),
        "contrasts": _frame(contrast_rows(runs, metrics, manifest, metric), CONTRASTS),
    }


def write_tables(folder: Path) -> Results:
    """Write the tables as CSV files into the folder, each atomically, and return them.

    Raises:
        StorageError: the folder cannot be written to.
    """
    results = read_results(folder)
    for name in TABLES:
        write_csv(Path(folder) / f"{name}.csv", getattr(results, name))
    return results


def _stamp(record: RunRecord) -> dict[str, Any]:
    begin = record.begin
    return {
        **{key: begin[key] for key in ("variant", "seed", "data", "preset")},
        "precision": begin.get("precision", EXACT),
        "overrides": "; ".join(begin.get("overrides", [])),
    }


def _metric_rows(record: RunRecord, manifest: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    # Of an evaluation that was repeated after a resume, the later row counts.
    for row in {(row["step"], row["extractor"]): row for row in record.metrics}.values():
        facts = {key: row.get(key) for key in _METRICS if key in row}
        facts["fingerprint"] = fingerprint_of(record.begin, row, manifest).digest
        selection = row.get("selection") or {}
        for metric, value in row["values"].items():
            measured = {"metric": metric, "value": value, "selection": selection.get(metric)}
            yield _stamp(record) | facts | measured


def _run_row(record: RunRecord, mine: pd.DataFrame, default: str, metric: str) -> dict[str, Any]:
    """The row of a run, of which ``mine`` are the rows of metrics."""
    stamp = _stamp(record)
    end = record.end or {}
    if not end and record.history:
        end = {**record.history[-1], "steps": record.history[-1]["step"]}
    # The best on the draw of samples that is not reported; None without such a draw.
    selected = mine[(mine["extractor"] == default) & (mine["metric"] == metric)].dropna(subset=["selection"])
    selected = selected.sort_values("selection", kind="stable", ascending=METRICS[metric].better == "lower")
    best_step = int(selected["step"].iloc[0]) if len(selected) else None
    values = {
        f"{moment}_{row.metric}_{row.extractor}": row.value
        for moment, chosen in (("best", mine["step"] == best_step), ("final", mine["fraction"] >= 1))
        for row in mine[chosen].itertuples()
    }
    parameters = {f"{role}_parameters": count for role, count in record.begin.get("parameters", {}).items()}
    return {
        **{key: (end if key in end else record.begin).get(key) for key in _RUN_BEHIND},
        **parameters,
        **values,
        **stamp,
        "parameters": sum(parameters.values()) if parameters else None,
        "message": end.get("message", ""),
        "deviations": "; ".join(record.begin.get("deviations", [])),
        "status": record.status,
        "best_step": best_step,
        "run": record.name,
    }


def _frame(rows: Iterable[dict[str, Any]], columns: list[Any]) -> pd.DataFrame:
    """A frame with these columns in this order; ``...`` is replaced by all others that the rows have."""
    frame = pd.DataFrame(list(rows))
    others = [key for key in frame.columns if key not in columns]
    names = [name for column in columns for name in (others if column is ... else [column])]
    return _typed(frame.reindex(columns=names))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for name in frame.columns:
        if name in _TEXT:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
        else:
            frame[name] = frame[name].astype("Int64" if name in _WHOLE else "float64")
    return frame
