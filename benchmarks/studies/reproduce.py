"""Check that this machine reproduces the recorded results: a short run against prediction intervals.

Example: python -m benchmarks.studies.reproduce
         python -m benchmarks.studies.reproduce --update results/mnist-quick
         python -m benchmarks.studies.reproduce --same runs/first --out runs/second

Trains gan, cgan, dcgan and lsgan on MNIST with a new seed, for the first part of the preset's budget, and compares each
FID with its range in expected.json. The exit status is 0 if every value is in its range, 1 if one is not, 2 if the
results are not comparable. --update writes the ranges of a results folder; --same compares the tables of two runs of
one suite instead, without timings.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from benchmarks.common import NotReproduced, run_command
from gan_zoo import text
from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.executors.processes import begin_early
from gan_zoo.bench.folder import read_manifest, read_runs
from gan_zoo.bench.plan import Plan, make_plan
from gan_zoo.bench.protocol import TITLES, Protocol, differences, fingerprint_of, protocols, settings_digest
from gan_zoo.bench.records import RunRecord, write_json
from gan_zoo.bench.results import default_extractor, ranked_by
from gan_zoo.bench.run_rows import begin_row
from gan_zoo.bench.runner import manifest_of, run_plan
from gan_zoo.bench.suite import SHIPPED, Suite, read_suite
from gan_zoo.bench.tables import tables, write_tables
from gan_zoo.cli.console import BenchListener
from gan_zoo.engine import Budget
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR, RunOptions
from gan_zoo.statistics import MINIMUM_SEEDS, prediction_interval

EXPECTED = Path(__file__).with_name("expected.json")
FOUNDING = ("gan", "cgan", "dcgan", "lsgan")
FAMILY = 0.95
"""Probability that all variants of a machine that reproduces the results are in their ranges, at least."""
TIMINGS = ("seconds", "warmup_seconds", "evaluation_seconds", "images_per_second", "peak_memory_bytes")
"""Columns that differ between two runs."""
_KEYS = ["variant", "seed", "step", "metric", "extractor", "baseline"]


@dataclass(frozen=True)
class Expectation:
    """The ranges of one new seed at one point of a preset's training, and the recorded runs that they are made from."""

    part: float  # of the preset's budget, 1 for the end
    metric: str
    confidence: float  # of one variant's range, so that all variants are in theirs with FAMILY (Bonferroni)
    budget: Mapping[str, float]  # unit and amount of the part
    seeds: tuple[int, ...]
    protocol: Protocol
    settings: Mapping[str, str]  # digest of each variant's settings
    variants: Mapping[str, Mapping[str, Any]]  # low, high, mean (geometric), failures and values of each
    source: Mapping[str, str]  # machine, commit and time


def made_from(folder: Path, suite: Suite) -> tuple[str, Expectation]:
    """The preset of a results folder and its ranges, at the first point at which no run counts as failed, or the end.

    Raises:
        GanZooError: no results folder, one that is unfinished or lacks a founding variant, of data that have no name or
            of another suite, or a variant with fewer than three successful seeds.
    """
    manifest = read_manifest(folder)
    extractor, metric = default_extractor(manifest), ranked_by(manifest)
    if not str(manifest["data"]["requested"]).isidentifier():
        raise GanZooError(f"{str(folder)!r} is of {manifest['data']['requested']!r}, not of a named data set")
    if manifest.get("title") != suite.title:
        raise GanZooError(f"{str(folder)!r} is of the suite {manifest.get('title')!r}; name its file with --suite")
    records = [record for record in read_runs(folder) if record.begin]
    if len(records) < len(manifest["runs"]) or any(record.end is None for record in records):
        raise GanZooError(f"{str(folder)!r} is unfinished; run its bench again to resume it")
    trained = {name: [record for record in records if record.begin["variant"] == name] for name in FOUNDING}
    if missing := [name for name, mine in trained.items() if not mine]:
        raise GanZooError(f"{str(folder)!r} has no run of {text.listed(missing)}")
    for part in manifest["evaluate_at"]:
        values = {name: _values(mine, part, extractor, metric) for name, mine in trained.items()}
        few = [name for name, (successful, _) in values.items() if len(successful) < MINIMUM_SEEDS]
        if part == 1 and few:
            raise GanZooError(f"{str(folder)!r} has fewer than {MINIMUM_SEEDS} successful seeds of {few[0]}")
        if part == 1 or not (few or any(failures for _, failures in values.values())):
            break
    confidence = 1 - (1 - FAMILY) / len(FOUNDING)
    variants = {}
    for name, (successful, failures) in values.items():
        low, high = prediction_interval(successful, log=METRICS[metric].log, confidence=confidence)
        mean = math.exp(sum(map(math.log, successful)) / len(successful))
        variants[name] = {"low": low, "high": high, "mean": mean, "failures": failures, "values": successful}
    everything = [record for mine in trained.values() for record in mine]
    return str(manifest["preset"]), Expectation(
        part=float(part),
        metric=metric,
        confidence=confidence,
        budget=part_of(manifest["budget"], part),
        seeds=tuple(sorted({int(record.begin["seed"]) for record in everything})),
        protocol=protocols(manifest, records)[extractor][0],
        settings={name: settings_digest(mine[-1].begin["identity"]["variant"]) for name, mine in trained.items()},
        variants=variants,
        source={key: str(manifest[key]) for key in ("device", "git_commit", "started") if manifest.get(key)},
    )


def part_of(budget: Mapping[str, float], part: float) -> dict[str, float]:
    """A part of a budget, without the rounding error of the product."""
    return {unit: float(f"{part * amount:.15g}") for unit, amount in budget.items()}


def _values(records: Sequence[RunRecord], part: float, extractor: str, metric: str) -> tuple[list[float], int]:
    """A metric of one variant's runs at a part of their budget, and the number of runs that had failed by then."""
    values = []
    for record in records:
        rows = {row["extractor"]: row for row in record.metrics if math.isclose(row["fraction"], part)}
        images = rows[extractor]["images"] if extractor in rows else 0
        history = [row for row in record.history if row["images"] <= images]
        collapsed = collapse(list(rows.values()), history, probability=record.begin["score_kind"] == "probability")
        if extractor in rows and not collapsed and (part < 1 or record.status == "ok"):
            values.append(float(rows[extractor]["values"][metric]))
    return values, len(records) - len(values)


RANGES = TypeAdapter(dict[str, dict[str, Expectation]])
"""The content of the file of ranges, by suite and preset."""


def read(path: Path, suite: str, preset: str) -> Expectation:
    """The ranges of a suite's preset.

    Raises:
        GanZooError: the file is missing or damaged, or has no ranges of the preset.
    """
    try:
        known = RANGES.validate_json(path.read_bytes())
    except OSError as error:
        raise GanZooError(f"cannot read {path} ({error.strerror}); write it with --update FOLDER") from None
    except ValidationError as error:
        why = error.errors()[0]
        key = ".".join(map(str, why["loc"]))
        raise GanZooError(
            f"{path} is damaged ({key}: {why['msg']}); restore it or write it with --update FOLDER"
        ) from None
    if preset not in known.get(suite, {}):
        names = ", ".join(f"{suite} {preset}" for suite, presets in known.items() for preset in presets)
        raise GanZooError(f"{path} has no ranges of {suite} {preset}, only of: {names}; write them with --update")
    return known[suite][preset]


def write(path: Path, suite: str, preset: str, made: Expectation) -> None:
    """Write the ranges of a preset into a file that keeps those of others."""
    known = json.loads(path.read_bytes()) if path.is_file() else {}
    known.setdefault(suite, {})[preset] = TypeAdapter(Expectation).dump_python(made, mode="json")
    write_json(path, known)


def planned(options: argparse.Namespace, expected: Expectation) -> Plan:
    """The plan of a run of the expectation's part, with a seed that its ranges were not made from.

    Raises:
        GanZooError: the seed is one of the recorded ones, or protocol, budget or settings differ.
    """
    suite = read_suite(options.suite)
    seed = options.seed
    if seed in expected.seeds:
        raise GanZooError(f"--seed {seed} is one of the recorded seeds; name another one")
    if seed is None:
        seed = next(number for number in range(len(expected.seeds) + 1) if number not in expected.seeds)
    plan = make_plan(
        RunOptions(
            suite=cut(suite, options.preset, expected.part),
            preset=options.preset,
            variants=FOUNDING,
            seeds=(seed,),
            data_root=options.data_root,
            device=options.device,
            jobs=options.jobs,
        )
    )
    _check(expected, plan)
    return plan


def cut(suite: Suite, name: str, part: float) -> Suite:
    """The suite with a preset that ends after a part of its budget, and is evaluated at that point only."""
    preset = suite.preset(name)
    changes = {"budget": part_of(preset.budget, part), "evaluate_at": None, "evaluate_from": None}
    return suite.model_copy(update={"presets": {**suite.presets, name: preset.model_copy(update=changes)}})


def _check(expected: Expectation, plan: Plan) -> None:
    """Print other versions. Raises GanZooError if protocol, budget or a variant's settings differ."""
    floor = next(run for run in plan.runs() if run.variant_name == FLOOR)
    row = {
        "extractor": expected.protocol.extractor[0],
        "num_samples": plan.preset.num_samples,
        "reference": expected.protocol.split,
    }
    protocol = fingerprint_of(begin_row(plan, floor, None), row, manifest_of(plan))
    found = {TITLES[field]: pair for field, pair in differences(expected.protocol, protocol).items()}
    if (budget := Budget.of(expected.budget)) != plan.budget:
        found["budget"] = (str(budget), str(plan.budget))
    if versions := found.pop(TITLES["versions"], None):
        print(f"note: versions: {versions[0]} recorded, {versions[1]} here")
    if found:
        facts = "; ".join(f"{title}: {one} recorded, {other} here" for title, (one, other) in found.items())
        raise GanZooError(f"the ranges are not comparable with this run: {facts}")
    trained = (run for run in plan.runs() if run.variant is not None)
    settings = {run.variant_name: settings_digest(run.identity["variant"]) for run in trained}
    if other := [name for name, digest in settings.items() if digest != expected.settings.get(name)]:
        raise GanZooError(f"settings of {text.listed(other)} differ from the recorded ones; write ranges with --update")


def checked(expected: Expectation, runs: pd.DataFrame) -> pd.DataFrame:
    """One row a variant: its value in a run of one seed, its range, its status, and whether it is in the range."""
    column = f"final_{expected.metric}_{expected.protocol.extractor[0]}"
    ranges = pd.DataFrame.from_dict(expected.variants, orient="index")[["low", "high"]]
    found = runs.set_index("variant").reindex(ranges.index, columns=[column, "status"]).join(ranges)
    found["reproduced"] = found["status"].eq("ok") & found[column].between(found["low"], found["high"])
    found = found.rename_axis("variant").reset_index().rename(columns={column: expected.metric})
    return found[["variant", expected.metric, "low", "high", "status", "reproduced"]]


def verify(options: argparse.Namespace) -> str:
    """Train, and return the table of values and ranges. Raises NotReproduced if a value is outside its range."""
    if options.jobs != 1 and not (options.device or "").startswith("cuda"):
        begin_early()
    expected = read(options.expected, options.suite.stem, options.preset)
    plan = planned(options, expected)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        with BenchListener(Console()) as listener:
            errors = run_plan(plan, folder, listener)
        if errors:
            raise GanZooError(f"a run failed: {errors[0]}")
        found = checked(expected, write_tables(folder).runs)
    print(f"{plan.measured.title}, {plan.budget}, seed {plan.seeds[0]}; ranges of seeds {[*expected.seeds]}")
    if any(facts["failures"] for facts in expected.variants.values()):
        print("some recorded runs had failed by then: the ranges are those of successful ones")
    rows = found.to_string(index=False, float_format=text.number)
    if missed := list(found.loc[~found["reproduced"], "variant"]):
        print(rows)
        raise NotReproduced(f"not reproduced: {text.listed(missed)}")
    return rows


def same(first: Path, second: Path) -> str:
    """Compare the tables of two results folders without timings; returns the numbers of equal rows.

    Only common runs are compared; summary and contrasts only if both folders have the same runs.

    Raises:
        NotReproduced: a value differs: the first one, with its table, row and column.
        GanZooError: not results folders, or no run in common.
    """
    both = tables(first), tables(second)
    shared = sorted(set(both[0]["runs"]["run"]) & set(both[1]["runs"]["run"]))
    if not shared:
        raise GanZooError(f"{first} and {second} have no run in common: other settings, code or versions")
    whole = all(len(shared) == len(frames["runs"]) for frames in both)
    counts = []
    for name in both[0] if whole else ("runs", "history", "metrics"):
        left, right = (_comparable(frames, name, shared) for frames in both)
        if left.shape != right.shape or list(left) != list(right):
            raise NotReproduced(f"{name}: {left.shape} rows and columns against {right.shape}")
        different = left.compare(right, result_names=("first", "second"))
        if len(different):
            column = different.columns[0][0]
            pair = different[column].dropna(how="all").iloc[0]
            where = ", ".join(f"{key} {left.loc[pair.name, key]}" for key in _KEYS if key in left)
            raise NotReproduced(f"{name}, {where}: {column} is {pair['first']!r} and {pair['second']!r}")
        counts.append(f"{len(left):,} rows of {name}")
    return f"{len(shared)} runs, identical except for {', '.join(TIMINGS)}: {', '.join(counts)}"


def _comparable(frames: dict[str, pd.DataFrame], name: str, records: list[str]) -> pd.DataFrame:
    frame = frames[name].drop(columns=list(TIMINGS), errors="ignore")
    if name in ("runs", "history", "metrics"):
        runs = frames["runs"]
        frame = frame.merge(runs.loc[runs["run"].isin(records), ["variant", "seed"]], on=["variant", "seed"])
    return frame.sort_values([key for key in _KEYS if key in frame], kind="stable", ignore_index=True)


OPTIONS = {
    "--suite": (SHIPPED / "mnist.toml", "suite file"),
    "--preset": ("quick", "preset of the suite"),
    "--seed": (int, "seed; by default the first that was not recorded"),
    "--out": (Path, "folder for the run; by default a temporary one"),
    "--data-root": (Path, "folder that holds the data sets"),
    "--device": (str, "cuda, cuda:1 ... or cpu; by default CUDA if there is one"),
    "--jobs": (int, "runs trained side by side; by default one a core on a CPU"),
    "--expected": (EXPECTED, "file of ranges"),
    "--update": (Path, "write the ranges of this results folder of the suite"),
    "--same": (Path, "with --out: compare the tables of the results folders SAME and OUT"),
}


def run(options: argparse.Namespace) -> str:
    """Verify, or update, or compare."""
    if options.same:
        return same(options.same, options.out)
    if options.update:
        preset, made = made_from(options.update, read_suite(options.suite))
        write(options.expected, options.suite.stem, preset, made)
        return f"{options.expected}: {options.suite.stem} {preset} at {Budget.of(made.budget)}"
    return verify(options)


main = partial(run_command, __doc__, "studies.reproduce", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
