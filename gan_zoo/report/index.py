"""The library of results: one page, one README and one table over all results folders below a folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from gan_zoo import NUMERICS_VERSION, text
from gan_zoo.bench.records import MANIFEST
from gan_zoo.bench.results import Results
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write, check_links, write_csv
from gan_zoo.report.answer import answer
from gan_zoo.report.context import environment, tidy
from gan_zoo.report.figures.style import data_title, machine_title
from gan_zoo.report.sheets import write_strip
from gan_zoo.studies.records import FOLDER as STUDIES_FOLDER

STRIP = "strip.png"
"""Samples of the first variant of the ranking, in each results folder."""
_SUITE_KEYS = {"suite", "runs", "cells"}  # one of them is in each manifest of a suite, and in none of a study
_WRITTEN = "Written by gan-zoo report --index from the records"
_WHOLE = ("rank", "seeds", "failures", "images", "num_samples", "numerics")
_HASH = 7  # digits of a commit that are shown


@dataclass(frozen=True)
class Question:
    """A row of the index: what one results folder asks and shows, as text.

    Attributes:
        folder: path relative to the root.
        facts: preset, budget and precision.
        report, page: URLs of the report in Markdown and HTML, relative to the root; the folder if there is none.
        strip: the picture of samples, if there are any.
        numerics: which older version of the numerics the runs are of; empty for the present one.
    """

    folder: str
    title: str
    facts: str
    answer: str
    variants: int
    seeds: int
    seconds: float
    device: str
    failed: str
    report: str
    page: str
    strip: Path | None
    commit: str
    date: str
    numerics: str


@dataclass(frozen=True)
class Study:
    """A page that is no report of a suite: its title, and its URL relative to the root."""

    title: str
    url: str


def write_index(root: Path) -> list[str]:
    """Write index.html, README.md and index.csv of the results folders up to two levels below a folder.

    Returns a line for each results folder that cannot be read and is left out.

    Raises:
        GanZooError: the folder is missing, has no readable results folder below it, or a README.md or index.html that
            was written by hand.
        StorageError: the folder cannot be written to.
    """
    root = Path(root)
    if not root.is_dir():
        raise GanZooError(f"folder {str(root)!r} does not exist; name one that holds results folders")
    check_links(root)
    for name in ("README.md", "index.html"):
        path = root / name
        if path.is_file() and _WRITTEN not in path.read_text(encoding="utf-8", errors="replace"):
            raise GanZooError(f"{path} was not written by this command: move it, or name another folder")
    questions: list[Question] = []
    frames: list[pd.DataFrame] = []
    damaged: list[str] = []
    folders = list(_folders(root))
    for folder in filter(_is_suite, folders):
        try:
            results = read_results(folder)
            questions.append(_question(root, folder, results))
            frames.append(_frame(folder.relative_to(root).as_posix(), results))
        except GanZooError as error:
            damaged.append(f"{folder.relative_to(root).as_posix()} is left out: {error}")
    if not questions:
        why = f": {damaged[0]}" if damaged else ""
        raise GanZooError(f"no results folder below {str(root)!r}{why}; make one with `gan-zoo bench SUITE --out DIR`")
    studies = [study for folder in folders for study in _studies(root, folder)]
    _write_pages(root, questions, studies, damaged)
    write_csv(root / "index.csv", pd.concat(frames, ignore_index=True))
    return damaged


def _write_pages(root: Path, questions: list[Question], studies: list[Study], damaged: list[str]) -> None:
    runs = text.duration(sum(question.seconds for question in questions))
    page = {
        "heading": "Results",
        "facts": [text.plural(len(questions), "suite"), f"{runs} of training", _WRITTEN],
        "note": "",
        "questions": questions,
        "studies": studies,
        "damaged": damaged,
        "older": any(question.numerics for question in questions),
        "current": NUMERICS_VERSION,
        "duration": text.duration,
    }
    templates = environment(root)
    templates.filters["quote"] = quote
    atomic_write(root / "README.md", tidy(templates.get_template("index.md.j2").render(page)))
    atomic_write(root / "index.html", templates.get_template("index.html.j2").render(page))


def _folders(root: Path) -> Iterator[Path]:
    """The folders one and two levels below a folder, but none within a results folder."""
    for outer in _subfolders(root):
        yield outer
        if not _is_suite(outer):
            yield from _subfolders(outer)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_suite(folder: Path) -> bool:
    """Whether a folder has the manifest of a suite, or one that cannot be read."""
    path = folder / MANIFEST
    if not path.is_file():
        return False
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(manifest, dict) or bool(manifest.keys() & _SUITE_KEYS)


def _studies(root: Path, folder: Path) -> Iterator[Study]:
    """The pages of a folder by their first heading; without one the folder by its name, if it holds files.

    Those of a suite are the studies of its trained networks.
    """
    if _is_suite(folder):
        for study in _studies(root, folder / STUDIES_FOLDER):
            yield Study(f"{study.title} ({folder.relative_to(root).as_posix()})", study.url)
        return
    pages = sorted(folder.glob("*.md"))
    for page in pages:
        lines = page.read_text(encoding="utf-8", errors="replace").splitlines()
        title = next((line.lstrip("# ") for line in lines if line.startswith("# ")), page.stem)
        yield Study(title, quote(page.relative_to(root).as_posix()))
    is_outer = folder.parent == root
    if not pages and is_outer and any(path.is_file() for path in folder.iterdir()):
        yield Study(folder.name, quote(f"{folder.name}/"))


def _question(root: Path, folder: Path, results: Results) -> Question:
    manifest = results.manifest
    name = folder.relative_to(root).as_posix()
    ended = results.trained[results.trained["status"] != "unfinished"]
    found = answer(results)
    preset = f"preset {manifest['preset']}" if manifest.get("preset") else ""
    budget = [f"{text.count(amount)} {unit}" for unit, amount in manifest.get("budget", {}).items()]
    urls = {page: quote(f"{name}/{page if (folder / page).is_file() else ''}") for page in ("report.md", "report.html")}
    has_strip = found.leader is not None and write_strip(folder, results, found.leader.variant, folder / STRIP)
    commit, _, changes = str(manifest.get("git_commit") or "").partition("+")
    return Question(
        folder=name,
        title=str(manifest.get("title") or f"GAN variants on {data_title(manifest)}"),
        facts=", ".join(filter(None, [preset, *budget, str(manifest.get("precision", ""))])),
        answer=found.headline,
        variants=len(manifest["variants"]),
        seeds=len(manifest.get("seeds", [])),
        seconds=float(ended["seconds"].sum()),
        device=machine_title(manifest),
        failed=f"{int((ended['status'] != 'ok').sum())} of {len(ended)}",
        report=urls["report.md"],
        page=urls["report.html"] if (folder / "report.html").is_file() else urls["report.md"],
        strip=folder / STRIP if has_strip else None,
        commit=f"{commit[:_HASH]}{'+' if changes else ''}{changes}",
        date=str(manifest.get("started", ""))[:10],
        numerics=_older(_numerics(results)),
    )


def _numerics(results: Results) -> int | None:
    """The version of the numerics that the oldest run was trained with: 0 if it is older than the first one."""
    versions = [
        record.begin.get("identity", {}).get("numerics")
        for record in results.records
        if record.begin["variant"] not in results.untrained
    ]
    return min((version if isinstance(version, int) else 0 for version in versions), default=None)


def _older(version: int | None) -> str:
    if version is None or version >= NUMERICS_VERSION:
        return ""
    return f"older numerics: {f'version {version}' if version else 'before version 1'}"


def _frame(name: str, results: Results) -> pd.DataFrame:
    """A row for each variant of a results folder, in the order of its ranking."""
    manifest = results.manifest
    images = results.runs.groupby("variant")["images"].max()
    first: dict[str, Any] = {
        "folder": name,
        "data": manifest["data"]["name"],
        "preset": manifest.get("preset", ""),
    }
    last = {
        "num_samples": manifest.get("num_samples"),
        "device": machine_title(manifest),
        "precision": manifest.get("precision", ""),
        "numerics": _numerics(results),
        "commit": manifest.get("git_commit") or "",
        "date": str(manifest.get("started", ""))[:10],
    }
    rows = []
    for entry in results.entries:
        ratio, ratio_low, ratio_high = entry.to_best if results.geometric else (None, None, None)
        found = {
            "variant": entry.variant,
            "kind": entry.kind,
            "rank": entry.rank,
            "letters": entry.letters,
            "metric": results.metric.name,
            "extractor": results.extractor,
            "mean": entry.value.mean,
            "low": entry.value.low,
            "high": entry.value.high,
            "ratio_to_best": ratio,
            "ratio_low": ratio_low,
            "ratio_high": ratio_high,
            "seeds": entry.value.seeds,
            "failures": entry.failures.count,
            "seconds": entry.seconds,
            "images": images.get(entry.variant),
        }
        rows.append(first | found | last)
    return pd.DataFrame(rows).astype(dict.fromkeys(_WHOLE, "Int64") if rows else {})
