"""What a results folder contains that must not be overwritten, or is trained again."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_zoo import text
from gan_zoo.bench.folder import damages, read_manifest
from gan_zoo.bench.identity import decisive
from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import CHECKPOINTS, RECORDS, RunRecord, check_layout, checkpoint_path, read_run, records_path
from gan_zoo.errors import GanZooError
from gan_zoo.io import differences, writing
from gan_zoo.options import FLOOR

_MACHINE = ("numerics", "code", "torch", "device", "matmul", "threads", "data.revision")
"""Parts of a run's identity that its settings do not name."""
_NAMES = {
    "data.shape": "sample shape",
    "data.fingerprint": "training images",
    "data.name": "data",
    "processes": "processes of torchrun",
}


def check_folder(plan: Plan, folder: Path) -> list[str]:
    """Compare a plan with the records of its results folder, before anything is written.

    Runs that would be refused are deleted instead with the option ``force``.

    Returns:
        One line for each thing a reader must know: what is trained again and why, what is damaged, what was deleted.

    Raises:
        GanZooError: the folder contains other data, other settings or a larger budget, each named, or records of an
            earlier layout.
    """
    check_layout(folder)
    try:
        manifest = read_manifest(folder)
    except GanZooError:
        return []
    found = _trained(folder, [*manifest["runs"], *(run.name for run in plan.runs())])
    refused = list(_other_folder(plan, manifest)) if found else []
    affected = set(found) if refused else set()
    again: dict[str, list[str]] = {}
    same: dict[tuple[str, int], list[str]] = {}
    for name, record in found.items():
        same.setdefault((record.begin["variant"], record.begin["seed"]), []).append(name)
    for run in plan.runs():
        for name in same.get((run.variant_name, run.seed), []):
            record = found[name]
            settings, machine = _compare(plan, run, name, record)
            if settings:
                refused += settings
                affected.add(name)
            elif machine:
                again.setdefault("; ".join(machine), []).append(run.title)
    if refused and not plan.options.force:
        raise GanZooError(
            f"{str(folder)!r} holds another run ({'; '.join(dict.fromkeys(refused))}); name another --out, or delete "
            "it with --force"
        )
    notices = [f"{', '.join(names)}: trained again ({why})" for why, names in again.items()]
    return notices + damages(folder) + (_delete(folder, {name: found[name] for name in affected}) if affected else [])


def _trained(folder: Path, names: Iterable[str]) -> dict[str, RunRecord]:
    """The runs of these names that were trained, if only in part, as they are on disk: the last row of each kind."""
    found = {}
    for path in [records_path(folder, name) for name in dict.fromkeys(names)]:
        if not path.is_file():
            continue
        record = read_run(path)
        is_trained = record.begin.get("variant") not in (None, FLOOR)
        has_images = "images" in (record.begin.get("identity") or {})
        has_begun = record.history or record.metrics or checkpoint_path(folder, path.stem).is_file()
        if is_trained and not has_images and has_begun:
            # All rows of thousands of runs may not fit into memory.
            for rows in (record.history, record.metrics, record.samples, record.points):
                del rows[:-1]
            found[path.stem] = record
    return found


def _other_folder(plan: Plan, manifest: Mapping[str, Any]) -> Iterator[str]:
    """In what a folder is of another comparison."""
    is_single = bool(manifest.get("single"))
    if is_single != plan.options.single:
        yield "a single training run, not a comparison" if is_single else "a comparison, not a single training run"
    mine: dict[str, Any] = {"data": plan.measured.name}
    theirs: dict[str, Any] = {"data": manifest["data"].get("name")}
    if plan.options.single:
        mine |= {"variants": [variant.display_name for variant in plan.variants], "seeds": list(plan.seeds)}
        theirs |= {key: manifest.get(key) for key in ("variants", "seeds")}
    elif not is_single:
        mine["suite"] = plan.suite.title
        theirs["suite"] = manifest.get("title")
    for key, one, other in differences(theirs, mine):
        yield f"{key} {text.short(one)}, not {text.short(other)}"


def _compare(plan: Plan, run: RunSpec, name: str, record: RunRecord) -> tuple[list[str], list[str]]:
    """How the records of the same variant and seed differ: in settings, or a larger budget; and in code and machine.

    With other code, a variant's settings follow from it.
    """
    begin = record.begin
    if run.variant is None:
        return [], []
    if name == run.name:
        return list(_larger(plan, run, record)), []
    identity = begin.get("identity") or {}
    if "numerics" not in identity:
        return [], ["its records are of an earlier version of gan-zoo"]
    found = list(differences(decisive(identity), decisive(run.identity)))
    keys = {key for key, _, _ in found}
    has_other_code = any(key.startswith(("code", "numerics")) for key in keys)
    has_other_variant = any(key.startswith("variant.") for key in keys)
    settings: list[str] = []
    machine: list[str] = []
    for key, one, other in found:
        is_implied = (
            (key.startswith("hyperparameters") and has_other_variant)
            or (key == "data.fingerprint" and keys & {"data.name", "data.shape", "data.revision"})
            or (has_other_code and key.startswith(("variant.", "hyperparameters.")))
        )
        if not is_implied:
            title = _NAMES.get(key, key.removeprefix("variant.").removeprefix("hyperparameters."))
            line = f"{title} {text.short(one)}, not {text.short(other)}"
            (machine if key.startswith(_MACHINE) else settings).append(line)
    return settings, machine


def _larger(plan: Plan, run: RunSpec, record: RunRecord) -> Iterator[str]:
    """Whether the run was trained beyond the plan's budget."""
    schedule = plan.schedule
    rows = [*record.history[-1:], *record.metrics[-1:], *([record.end] if record.end else [])]
    if beyond := [schedule.spent(row) for row in rows if schedule.beyond(row, record.begin)]:
        yield f"{run.title} trained for {max(beyond):,.10g} {schedule.unit}, not {schedule.amount:,.10g}"


def _delete(folder: Path, records: Mapping[str, RunRecord]) -> list[str]:
    """Delete the records, samples and checkpoints of runs, and name the runs in one line."""
    with writing(folder):
        for name in records:
            records_path(folder, name).unlink(missing_ok=True)
            shutil.rmtree(folder / RECORDS / name, ignore_errors=True)
            for path in (folder / CHECKPOINTS).glob(f"{name}.*"):
                path.unlink(missing_ok=True)
    titles = [
        f"{record.begin['variant']} seed {record.begin['seed']} ({(record.end or {}).get('steps', 0):,} steps)"
        for record in records.values()
    ]
    return [f"--force deleted records, samples and checkpoints of {', '.join(titles)} in {str(folder)!r}"]
