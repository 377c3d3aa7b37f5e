"""Results folders: the manifest and the runs that it names, from their files or from packed records."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_zoo.bench import packed
from gan_zoo.bench.records import MANIFEST, RunRecord, append, check_layout, current, read_run, records_path
from gan_zoo.bench.schedule import select
from gan_zoo.bench.schema import manifest_fault, row_fault
from gan_zoo.errors import DamagedFileError, GanZooError, one_line
from gan_zoo.io import writing
from gan_zoo.metrics.registry import METRICS, add_records
from gan_zoo.options import FLOOR


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder.

    Raises:
        GanZooError: the folder is not there, is of an earlier layout, or holds no manifest or an invalid one.
    """
    check_layout(Path(folder))
    path = Path(folder) / MANIFEST
    if not Path(folder).is_dir():
        raise GanZooError(
            f"results folder {str(folder)!r} does not exist; make one with `gan-zoo bench SUITE --out DIR`"
        )
    if not path.is_file():
        raise GanZooError(f"{str(folder)!r} is not a results folder: it has no {MANIFEST}")
    fix = "run the bench again with the same --out to write it again"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise GanZooError(f"{path} is damaged ({one_line(error)}); {fix}") from None
    manifest = current(manifest) if isinstance(manifest, dict) else {}
    if fault := manifest_fault(manifest):
        raise GanZooError(f"{path}: {fault}; {fix}")
    add_records(manifest.get("metrics", {}))
    ranked_by = manifest.get("ranked_by", "fid")
    if ranked_by not in METRICS:
        raise GanZooError(f"{path}: key 'ranked_by' is {ranked_by!r}: no such metric; {fix}")
    return manifest


def read_runs(folder: Path) -> list[RunRecord]:
    """The runs that the manifest names and that have begun, in its order, with the evaluations that it requests.

    Raises:
        GanZooError: no results folder, or packed records that cannot be read.
    """
    return read_folder(folder)[1]


def read_folder(folder: Path) -> tuple[dict[str, Any], list[RunRecord]]:
    """The manifest of a results folder and its runs, as ``read_runs``: a bench may be writing, so both are read once.

    Raises:
        GanZooError: no results folder, or packed records that cannot be read.
    """
    manifest = read_manifest(folder)
    return manifest, list(_each_run(Path(folder), manifest))


def _each_run(folder: Path, manifest: Mapping[str, Any]) -> Iterator[RunRecord]:
    """The runs of ``read_folder`` one by one: thousands of them may not fit into memory."""
    packed_runs = read_packed(folder)
    begun: set[tuple[str, int]] = set()
    for name in manifest["runs"]:
        path = records_path(folder, name)
        run = read_run(path) if path.is_file() else packed_runs.get(name)
        if run is None and path.exists():
            run = RunRecord(name, damage=f"{path} is no regular file")
        # A kill leaves such records too, but not below a manifest that was written after the last run.
        if manifest.get("finished") is True and (run is None or (run.end is None and not run.damage)):
            run = run or RunRecord(name)
            run.damage = f"{path} is cut off or missing: its run has ended, says {MANIFEST}"
        if run is None:
            continue
        if run.begin and run.begin["variant"] not in (*manifest["variants"], *manifest.get("images", {}), FLOOR):
            run = RunRecord(name, damage=f"{path}: variant {run.begin['variant']!r} is none of {MANIFEST}")
        if run.begin and (run.begin["variant"], run.begin["seed"]) in begun:
            run = RunRecord(name, damage=f"{path}: another run of the folder has its variant and seed")
        if run.begin:
            begun.add((run.begin["variant"], run.begin["seed"]))
        unknown = [name for row in run.metrics for name in row["values"] if name not in METRICS]
        if unknown:
            run.damage = run.damage or f"{path}: {MANIFEST} does not describe the metric {unknown[0]!r}"
            run.metrics = [row for row in run.metrics if METRICS.keys() >= row["values"].keys()]
        yield select(run, manifest)


def read_packed(folder: Path) -> dict[str, RunRecord]:
    """The runs in the packed records of a results folder by name; none without such a file.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    runs: dict[str, RunRecord] = {}
    if (folder / packed.PACKED).is_file():
        for name, content in packed.read(folder / packed.PACKED):
            row = current(content)
            if fault := row_fault(row):
                raise DamagedFileError(f"{folder / packed.PACKED}: run {name!r}: {fault}; restore it")
            runs.setdefault(name, RunRecord(name)).add(row)
    return runs


def pack(folder: Path) -> None:
    """Replace the records of all runs of a results folder by one compressed file; their sample images stay.

    `bench` into the folder unpacks it first.

    Raises:
        GanZooError: no results folder.
        StorageError: the folder cannot be written to.
    """
    paths = [records_path(folder, name) for name in read_manifest(folder)["runs"]]
    runs = [read_run(path) for path in paths if path.is_file()]
    packed.write(folder / packed.PACKED, [(run.name, run.rows()) for run in runs])
    with writing(folder):
        for run in runs:
            records_path(folder, run.name).unlink()


def unpack(folder: Path) -> None:
    """Write the files of the runs of packed records, which may then be extended by `bench`.

    Raises:
        DamagedFileError: the file cannot be read.
        StorageError: the folder cannot be written to.
    """
    for name, run in read_packed(folder).items():
        path = records_path(folder, name)
        if not path.is_file():
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            # A kill leaves no part of a run, which would count as the whole.
            part = path.with_name(f".{path.name}.part")
            with writing(part):
                part.unlink(missing_ok=True)
            for row in run.rows():
                append(part, row)
            with writing(path):
                part.replace(path)
    with writing(folder):
        (folder / packed.PACKED).unlink(missing_ok=True)


def damages(folder: Path) -> list[str]:
    """One line for each run of a results folder whose records are damaged.

    Raises:
        GanZooError: no results folder, or packed records that cannot be read.
    """
    fix = "the run counts as unfinished; the same `gan-zoo bench` or `train` command trains it again"
    return [f"{run.damage}: {fix}" for run in _each_run(folder, read_manifest(folder)) if run.damage]
