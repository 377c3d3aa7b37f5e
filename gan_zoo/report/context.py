"""What both forms of the report say, worked out once: the templates only lay it out."""

import math
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.tables import FLOOR, Results, own_extractor, ranked_by
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import EXACT
from gan_zoo.report import comparisons
from gan_zoo.report.findings import MAIN, Entry, findings, leading, nothing_measured, rank, summary_lines
from gan_zoo.report.pictures import Picture
from gan_zoo.report.published import published_table
from gan_zoo.report.style import data_title, floor_of, samples_of
from gan_zoo.report.time_to_target import reach_caption, reach_table
from gan_zoo.statistics import GEOMETRIC

Table = dict[str, Any]  # columns: list of (title, arrow); rows: list of dicts with an entry and its cells


def view(results: Results, pictures: list[Picture], notices: list[str]) -> dict[str, Any]:
    """Everything that a template needs, as text or as plain values."""
    manifest, entries = results.manifest, rank(results)
    own = own_extractor(manifest)
    return {
        "title": data_title(manifest), "heading": heading(manifest), "preset": manifest.get("preset", ""),
        "precision": manifest.get("precision", ""), "device": manifest.get("device", ""),
        "date": str(manifest.get("started", ""))[:10], "note": manifest["data"].get("note", ""),
        "entries": entries, "findings": findings(results, entries) + comparisons.sentences(results),
        "contrasts": comparisons.rows(results), "contrasts_explained": comparisons.explanation(results),
        "leading": leading(results), "geometric": leading(results).name in GEOMETRIC,
        "samples": samples_of(manifest), "measured": not nothing_measured(results), "of_truth": floor_of(manifest),
        "ranking": metric_table(results, entries, own, [name for name in MAIN if name in METRICS]),
        "caption": caption(results, own),
        "departures": departures(entries),
        "best_final": best_and_final(results, entries, own),
        "reached": reach_table(results), "reached_caption": reach_caption(results),
        "published": published_table(results),
        "extractors": [(name, metric_table(results, entries, name, list(METRICS)), caption(results, name))
                       for name in sorted(results.metrics["extractor"].unique(), key=lambda name: name != own)],
        "own": own, "metrics": [METRICS[name] for name in METRICS if name in set(results.metrics["metric"])],
        "galleries": galleries(results, entries, pictures),
        "failures": failures(results.runs), "runs": run_rows(results, own), "protocol": protocol(manifest),
        "notices": [*manifest.get("notices", []), *notices],
    }  # fmt: skip


def heading(manifest: dict[str, Any]) -> str:
    """The suite's title, or one with the data set's."""
    return str(manifest.get("title") or f"GAN variants on {data_title(manifest)}")


def departures(entries: list[Entry]) -> list[tuple[str, str]]:
    """How variants depart from their articles: what all that do have in common once, then what each has beside it."""
    found = {entry.label: entry.departures.split("; ") for entry in entries if entry.departures}
    first = next(iter(found.values())) if len(found) > 1 else []
    common = [part for part in first if all(part in parts for parts in found.values())]
    rest = {label: [part for part in parts if part not in common] for label, parts in found.items()}
    named = [(label, "; ".join(parts)) for label, parts in rest.items() if parts]
    return [("all variants marked so", "; ".join(common)), *named] if common else named


def metric_table(results: Results, entries: list[Entry], extractor: str, names: list[str]) -> Table:
    """Final values under one extractor: a column a metric that any variant has, a row a variant."""
    lines, rows = summary_lines(results, extractor), []
    measured = {metric for (_, metric), line in lines.items() if text.known(line["mean"])}
    names = [name for name in names if name in measured]
    for entry in entries:
        failures = (text.share(entry.failures), text.percent(entry.failures.low, entry.failures.high))
        failures = (text.NOTHING, "") if entry.kind == "floor" else failures
        found = [lines.get((entry.variant, name), {}) for name in names]
        cells = [(text.number(line.get("mean")), text.interval(line.get("low"), line.get("high"))) for line in found]
        time = text.duration(entry.seconds) if entry.kind == "ranked" else text.NOTHING
        rows.append({"entry": entry, "cells": cells, "time": time, "failures": failures})
    return {"metrics": [METRICS[name] for name in names], "rows": rows}


def caption(results: Results, extractor: str) -> str:
    """How the figures of a table were made: N, extractor, seeds, reference, weights, interval."""
    rows = results.metrics[results.metrics["extractor"] == extractor]
    if rows.empty:
        return "Nothing was measured: the notices say why."
    trained = rows[rows["variant"] != FLOOR]
    counts = text.listed([text.count(n) for n in sorted(rows["n"].dropna().unique())])
    weights = text.listed(sorted(set(trained["weights"]) - {""})) or text.NOTHING
    seeds = ", ".join(str(seed) for seed in sorted(rows["seed"].unique()))
    points, references = samples_of(results.manifest) == "points", sorted(set(rows["reference"]))
    source = "" if points else f"features of {extractor}, "
    kept = [METRICS[name].title for name in sorted(set(rows["metric"]) & set(GEOMETRIC))]
    geometric = f"; for {text.listed(kept)} the geometric mean, with t on the logarithm" if kept else ""
    conditional = (results.runs["conditioning"] != "none").any() and not points
    asked = (
        " Conditional variants were asked for the classes of the reference images; Class KL and Label accuracy tell "
        "whether they drew them."
    )
    return (
        f"{data_title(results.manifest)}, {results.manifest.get('preset', '')} preset, "
        f"{results.manifest.get('precision', EXACT)}. Values at the end of the "
        f"budget, N = {counts} samples a seed, {source}reference: the "
        f"{text.listed(references)}{'' if points else ' split'}, {weights} weights, seeds {seeds}. Mean over surviving "
        f"seeds and 95% interval (Student's t{geometric}). The row real is the floor: {floor_of(results.manifest)} in "
        f"place of generated ones, at the same N.{asked if conditional else ''}"
    )


def best_and_final(results: Results, entries: list[Entry], own: str) -> list[dict[str, str]]:
    """Each ranked variant's leading measure at its best evaluation and at the last."""
    lines, rows = summary_lines(results, own), []
    images = results.metrics.drop_duplicates(["variant", "seed", "step"])[["variant", "seed", "step", "images"]]
    best = results.runs[results.runs["status"] == "ok"].drop(columns="images")
    best = best.merge(images, left_on=["variant", "seed", "best_step"], right_on=["variant", "seed", "step"])
    for entry in entries:
        if entry.kind == "ranked":
            line, seen = (
                lines[entry.variant, ranked_by(results.manifest)],
                best.loc[best["variant"] == entry.variant, "images"],
            )
            rows.append({
                "variant": entry.label,
                "best": text.estimate(line["best_mean"], line["best_low"], line["best_high"]),
                "at": text.count(seen.median()) if len(seen) else text.NOTHING,
                "final": text.estimate(line["mean"], line["low"], line["high"]),
                "median": text.number(line["median"]),
            })  # fmt: skip
    return rows


def galleries(results: Results, entries: list[Entry], pictures: list[Picture]) -> list[dict[str, Any]]:
    """A variant's last grid, class grid and strip, of its first surviving seed (else of its first with pictures)."""
    found = []
    for entry in entries:
        mine = [picture for picture in pictures if picture.variant == entry.variant]
        if not mine:
            continue
        runs = results.runs[results.runs["variant"] == entry.variant].set_index("seed")
        seed = min((picture.seed for picture in mine), key=lambda seed: (runs.loc[seed, "status"] != "ok", seed))
        status = str(runs.loc[seed, "status"])
        shown = []
        for kind in ("grid", "strip", "classes", "neighbors"):
            of_kind = [picture for picture in mine if picture.seed == seed and picture.kind == kind]
            shown += [max(of_kind, key=lambda picture: picture.step)] if of_kind else []
        found.append({"entry": entry, "facts": facts(runs.iloc[0]), "pictures": shown,
                      "status": "" if status == "ok" else f"seed {seed} {status.replace('_', ' ')}"})  # fmt: skip
    return found


def facts(run: pd.Series) -> str:
    """What a variant is, in one line."""
    parts = [run["title"], run["paper"], run["objective"], f"latent: {run['latent']}" if run["latent"] else "",
             f"conditioning: {run['conditioning']}" if run["conditioning"] else "",
             f"batch {run['batch_size']}" if text.known(run["batch_size"]) else "",
             f"{text.count(run['generator_parameters'])} + {text.count(run['discriminator_parameters'])} parameters"
             if text.known(run["generator_parameters"]) else "",
             f"{_deviations(run)}: {run['deviations']}" if run["deviations"] else ""]  # fmt: skip
    return " · ".join(part for part in parts if part)


def _deviations(run: pd.Series) -> str:
    as_registered = " as it is registered, before what † changed" if run["departures"] else ""
    return f"deviations from the paper{as_registered}"


def failures(runs: pd.DataFrame) -> list[dict[str, str]]:
    """The seeds that failed or did not finish, with the reason that was recorded."""
    return [
        {"variant": run["variant"], "seed": str(run["seed"]), "status": run["status"].replace("_", " "),
         "images": text.count(run["images"]), "message": run["message"] or text.NOTHING}
        for run in runs[runs["status"] != "ok"].to_dict("records")
    ]  # fmt: skip


def run_rows(results: Results, own: str) -> list[dict[str, str]]:
    """One line a cell: status, best and final value of the leading measure, time, speed, memory."""
    rows, name = [], ranked_by(results.manifest)
    for run in results.runs.to_dict("records"):
        memory = run["peak_memory_bytes"]
        rows.append({
            "variant": run["variant"], "seed": str(run["seed"]), "status": str(run["status"]).replace("_", " "),
            "best": text.number(run.get(f"best_{name}_{own}")), "final": text.number(run.get(f"final_{name}_{own}")),
            "images": text.count(run["images"]), "seconds": text.duration(run["seconds"]),
            "rate": text.count(run["images_per_second"]),
            "memory": _mebibytes(memory),
        })  # fmt: skip
    return rows


def _mebibytes(memory: float | None) -> str:
    return f"{memory / 2**20:,.0f} MiB" if memory is not None and text.known(memory) else text.NOTHING


def protocol(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, from the manifest; what the manifest does not say is left out."""
    data = manifest["data"]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
    budget = ", ".join(f"{text.count(value)} {unit}" for unit, value in manifest.get("budget", {}).items())
    extractors = [f"{name}, test accuracy {facts['accuracy']:.2%}" if facts.get("accuracy") else name
                  for name, facts in manifest.get("extractors", {}).items()]  # fmt: skip
    seconds, sizes = manifest.get("wall_seconds"), (text.count(data.get("train")), text.count(data.get("test")))
    finished = text.known(seconds) and manifest.get("finished", True)
    rows = [
        ("data", f"{data_title(manifest)}: {sizes[0]} for training, {sizes[1]} for reference"),
        ("fingerprint of the data", data.get("fingerprint", "")), ("preset", manifest.get("preset", "")),
        ("budget a cell", budget), ("seeds", ", ".join(map(str, manifest.get("seeds", [])))),
        ("samples measured (N)", text.count(manifest.get("n", math.nan))), ("extractors", "; ".join(extractors)),
        ("device", manifest.get("device", "")),
        ("cells trained side by side", text.count(manifest.get("jobs", math.nan))),
        ("precision", manifest.get("precision", "")),
        ("versions", versions), ("git commit", manifest.get("git_commit") or ""),
        ("started", manifest.get("started", "")),
        ("wall time", text.duration(seconds) if finished else "not finished"),
        ("peak memory of all processes", _mebibytes(manifest.get("peak_memory_bytes"))),
        ("command", manifest.get("command", "")),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value and value != text.NOTHING]
