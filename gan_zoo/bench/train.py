"""A single training run as a suite of one variant and one seed, and checkpoints to resume one from."""

from dataclasses import replace
from pathlib import Path

import torch

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench.folder import read_manifest
from gan_zoo.bench.plan import Plan
from gan_zoo.bench.records import CHECKPOINTS, checkpoint_path, read_run, records_path
from gan_zoo.bench.suite import Preset, Suite
from gan_zoo.data import Dataset
from gan_zoo.device import pick
from gan_zoo.engine import Budget, Run, State, checkpoint, init, start
from gan_zoo.errors import GanZooError
from gan_zoo.io import check_encoding
from gan_zoo.metrics.extractors import OWN
from gan_zoo.options import DataOptions, RunOptions
from gan_zoo.registry import describe
from gan_zoo.variant import Variant

PRESET = "train"
NUM_SAMPLES = 2_000
"""Images of an evaluation; of a test split with fewer, as many as it has."""
_EVALUATE_FROM = {"images": 12_800, "epochs": 12_800, "steps": 200, "seconds": 60}
"""The first evaluation by the budget's unit (of epochs: images); further ones follow at every doubling."""


def single_suite(
    variant: Variant, data: str | Dataset, budget: Budget, *, seed: int, data_options: DataOptions
) -> Suite:
    """The suite of one variant and one seed, evaluated with the data set's default extractor.

    Raises:
        GanZooError: the variant was not made by the registry.
    """
    if not isinstance(data, str):
        raise GanZooError(f"a run in a folder takes the name of a data set, not data set {data.name!r} itself")
    check_encoding(data)
    if not variant.name:
        raise GanZooError(f"variant {variant.title!r} has no name: register it to train it into a folder")
    checkpoint.plain_options(variant)
    if describe(registry.get(variant.name, **variant.options)) != describe(variant):
        raise GanZooError(
            f"variant {variant.name!r} was changed after the registry made it: register the change as a variant of its "
            "own to train it into a folder"
        )
    preset = Preset(
        seeds=[seed],
        budget={budget.unit: budget.amount},
        evaluate_from=_EVALUATE_FROM[budget.unit],
        num_samples=NUM_SAMPLES,
        options={variant.name: dict(variant.options)},
    )
    return Suite(
        title=f"{variant.title}: a single training run",
        data=data,
        **vars(data_options),
        variants=[variant.name],
        extractors=[OWN],
        presets={PRESET: preset},
    )


def single_options(suite: Suite, options: RunOptions) -> RunOptions:
    """The options of a single training run."""
    return replace(options, suite=suite, preset=PRESET, jobs=1, single=True)


def resumed_options(folder: Path, budget: Budget | None, options: RunOptions) -> RunOptions:
    """The options of the single training run in a folder, with its own budget or another.

    Raises:
        GanZooError: the folder holds no single training run.
    """
    manifest = read_manifest(folder)
    if not manifest.get("single"):
        raise GanZooError(f"{str(folder)!r} holds a comparison; name a file of its checkpoints folder to resume")
    stored = Suite.from_manifest(manifest)
    name = stored.variants[0]
    preset = stored.preset(PRESET)
    variant = registry.get(name, **preset.options.get(name, {}))
    budget = budget or Budget.of(preset.budget)
    suite = single_suite(variant, stored.data, budget, seed=preset.seed_list[0], data_options=stored.data_options)
    return replace(
        single_options(suite, options),
        evaluate=bool(manifest.get("extractors")),
        precision=manifest.get("precision"),
        threads=manifest.get("threads"),
    )


def resumed_state(path: Path, budget: Budget, options: RunOptions) -> State:
    """The state of a checkpoint file, its data loaded again.

    Raises:
        GanZooError: no checkpoint, data that is not available or has changed, or a budget that is used up already.
    """
    saved = checkpoint.load(path)
    with torch.random.fork_rng(devices=[]):
        saved.sampler("cpu")  # Its networks are those of the file: options of any other may ask for terabytes.
    facts, side = saved.facts, saved.variant.image_side
    given = {"channels": saved.channels, **facts.get("data_options", {})}
    dataset = data_sets.load(saved.data_name, side=side, root=options.data_root, device=pick(options.device), **given)
    fresh = start(saved.variant, dataset, facts["seed"], precision=facts["precision"], graphs=options.graphs)
    state = checkpoint.restore(fresh, saved)
    if budget.spent(state) > 0 and not budget.steps_left(state, 1.0):
        raise GanZooError(
            f"{path} has {state.iterations:,} steps, which the budget of {budget} does not exceed; raise it"
        )
    return state


def checkpoint_in(path: Path) -> Path:
    """The checkpoint file that a path names: itself, or the one in the folder of a single training run.

    Raises:
        GanZooError: no results folder, one without a checkpoint, or with those of several runs.
    """
    if not path.is_dir():
        return path
    named = (checkpoint_path(path, name) for name in read_manifest(path)["runs"])
    found = [saved for saved in named if saved.is_file()]
    if len(found) != 1:
        few = f"{len(found)} runs; name a file of its" if found else "no run; name a file of another folder's"
        raise GanZooError(f"{str(path)!r} holds checkpoints of {few} {CHECKPOINTS} folder")
    return found[0]


def trained_run(plan: Plan, folder: Path) -> Run:
    """The run of a single plan, from its last checkpoint and the status on record.

    Raises:
        GanZooError: the run has finished, and its checkpoint is missing or damaged.
    """
    run = next(run for run in plan.runs() if run.variant is not None)
    assert run.variant is not None
    record = read_run(records_path(folder, run.name))
    state = init(run.variant, plan.data[run.variant.image_side], run.seed, precision=plan.precision)
    path = checkpoint_path(folder, run.name)
    if path.is_file():
        checkpoint.restore(state, checkpoint.load(path))
    elif record.status in ("ok", "collapsed"):
        raise GanZooError(f"checkpoint {path} of the finished run is missing; delete {str(folder)!r} to train it again")
    final = [row["values"] for row in plan.evaluated(record).get(1.0, [])]
    return Run(state, record.status, str((record.end or {}).get("message", "")), final[0] if final else {})
