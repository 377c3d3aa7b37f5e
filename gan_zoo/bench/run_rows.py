"""The first and last rows of a run's records."""

from pathlib import Path

from gan_zoo.bench.plan import Plan, RunSpec
from gan_zoo.bench.records import SCHEMA, Row, append, checkpoint_path, is_finished, now, read_run, records_path
from gan_zoo.engine import State, checkpoint
from gan_zoo.io import writing

COUNTS = ("images", "seconds", "discriminator_steps", "generator_steps")
"""What a state has done, in rows of its records."""


def record_death(plan: Plan, run: RunSpec, folder: Path, status: str, message: str) -> Row:
    """The last row of a run whose process is gone: its own if it had finished, else one that is appended.

    What it had done is according to its records.
    """
    path = records_path(folder, run.name)
    ensure_begun(plan, run, folder)
    record = read_run(path)
    if record.end is not None and is_finished(plan, folder, run):
        return record.end
    last = max([*record.history, *record.metrics], key=lambda row: int(row["step"]), default={})
    end = end_row(status, message, {name: last.get(name, 0) for name in COUNTS}, last.get("step", 0))
    end |= {"images_per_second": None, "peak_memory_bytes": None}
    append(path, end)
    return end


def begin(plan: Plan, run: RunSpec, folder: Path, state: State | None) -> None:
    """Begin the records, without the checkpoints of records that they replace: nothing may resume from those."""
    saved = checkpoint_path(folder, run.name)
    for file in (saved, checkpoint.previous(saved)):
        with writing(file):
            file.unlink(missing_ok=True)
    append(records_path(folder, run.name), begin_row(plan, run, state))


def ensure_begun(plan: Plan, run: RunSpec, folder: Path) -> None:
    """Append the row that records begin with, if there is none, so that the tables have the run."""
    path = records_path(folder, run.name)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or not read_run(path).begin:
        begin(plan, run, folder, None)


def begin_row(plan: Plan, run: RunSpec, state: State | None) -> Row:
    """The row that a run's records begin with; without a state, what is known before it is made."""
    row: Row = {
        "row": "begin",
        "schema": SCHEMA,
        "variant": run.variant_name,
        "seed": run.seed,
        "data": plan.measured.name,
        "preset": plan.preset_name,
        "started": now(),
        "precision": plan.precision,
        "identity": run.identity,
    }
    if run.variant is None:
        title = f"{plan.measured.title} training images" if run.images is None else "images, not trained here"
        return row | {"title": title, "conditioning": "none", "overrides": []}
    variant = run.variant
    networks = {} if state is None else state.networks._asdict()
    return row | {
        "title": variant.title,
        "paper": variant.paper,
        "conditioning": variant.conditioning,
        "latent": str(variant.latent),
        "objective": variant.objective.title,
        "score_kind": "probability" if variant.objective.probability else "score",
        "batch_size": variant.batch_size,
        "budget": plan.preset.budget,
        "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        "overrides": list(plan.overrides[variant.display_name]),
        "deviations": list(variant.deviations),
    }


def counts_of(state: State) -> Row:
    """The counts of a state."""
    return {name: getattr(state, name) for name in COUNTS}


def end_row(status: str, message: str, counts: Row, steps: int) -> Row:
    """The row that a run's records end with."""
    return {"row": "end", "status": status, "message": message, "ended": now(), **counts, "steps": steps}
