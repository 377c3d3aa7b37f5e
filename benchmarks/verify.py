"""Does this machine give the figures that others got? A short run of the founding variants against expected ranges.

Example: python benchmarks/verify.py

It trains gan, cgan, dcgan and lsgan on MNIST (on the embedded digits where MNIST is not to be had) with one seed that
the ranges were not made from, for the first part of the preset's budget that ranges were made for. The exit status is 0
where every value lies in its range, 1 where one does not, 2 where the figures cannot be compared. With --update FOLDER
it writes the ranges of a results folder into expected.toml.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from expectations import FOUNDING, Expectation, judged, made_from, part_of, read, write
from rich.console import Console

from gan_zoo import text
from gan_zoo.bench.executors import processes
from gan_zoo.bench.plan import Plan, make_plan
from gan_zoo.bench.protocol import TITLES, Protocol, differences, fingerprint_of, settings_digest
from gan_zoo.bench.run import begin_row
from gan_zoo.bench.runner import manifest_of, run_plan
from gan_zoo.bench.suite import SHIPPED, Suite, read_suite
from gan_zoo.bench.tables import write_tables
from gan_zoo.cli.console import BenchListener
from gan_zoo.cli.table import fitted
from gan_zoo.engine import Budget
from gan_zoo.errors import GanZooError
from gan_zoo.options import FLOOR, RunOptions

EXPECTED = Path(__file__).parent / "expected.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify this machine, or with ``--update`` write expectations; gives back the exit status."""
    options = _parser().parse_args(arguments)
    console, suites = Console(), options.suite.parent
    try:
        for folder in options.update or []:
            console.print(f"{options.expected}: {write(options.expected, made_from(folder, suites))}", highlight=False)
        return 0 if options.update else _verify(options, console)
    except (GanZooError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--suite", type=Path, default=SHIPPED / "mnist.toml", help="suite file (default: mnist.toml)")
    parser.add_argument("--preset", default="quick", help="preset of the suite (default: quick)")
    parser.add_argument("--whole", action="store_true", help="train for the preset's whole budget")
    parser.add_argument("--seed", type=int, help="seed (default: the first that the ranges were not made from)")
    parser.add_argument("--out", type=Path, help="folder for the run (default: a temporary one)")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets")
    parser.add_argument("--device", help="cuda, cuda:1 ... or cpu (default: CUDA if it is there)")
    parser.add_argument("--jobs", type=int, help="cells trained side by side (default: one a core on a CPU)")
    parser.add_argument("--expected", type=Path, default=EXPECTED, help="file of ranges (default: expected.toml here)")
    parser.add_argument("--update", type=Path, nargs="+", metavar="FOLDER", help="write the ranges of results folders")
    return parser


def _verify(options: argparse.Namespace, console: Console) -> int:
    if options.jobs != 1 and not (options.device or "").startswith("cuda"):
        processes.begin_early()
    expected, plan = _planned(options, options.suite)
    for line in _unlike(expected, plan):
        console.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        with BenchListener(console) as listener:
            errors = run_plan(plan, folder, listener)
        if errors:
            raise GanZooError(f"a cell failed: {errors[0]}")
        return _said(expected, plan, judged(expected, write_tables(folder).runs), console)


def _planned(options: argparse.Namespace, suite: Path) -> tuple[Expectation, Plan]:
    """The ranges of a suite, and the plan of a run of that part with a seed that they were not made from."""
    expected, seed = read(options.expected, suite.stem, options.preset, whole=options.whole), options.seed
    if seed in expected.seeds:
        raise GanZooError(f"seed {seed} is one of those that the ranges were made from; name another --seed")
    if seed is None:
        seed = next(number for number in range(len(expected.seeds) + 1) if number not in expected.seeds)
    planned = RunOptions(
        suite=_cut(read_suite(suite), options.preset, expected.part),
        preset=options.preset,
        variants=FOUNDING,
        seeds=(seed,),
        data_root=options.data_root,
        device=options.device,
        jobs=options.jobs,
    )
    return expected, make_plan(planned)


def _cut(suite: Suite, name: str, part: float) -> Suite:
    """The suite with a preset that ends after a part of its budget, and is measured there alone."""
    preset = suite.preset(name)
    end_alone = {"evaluate_at": None, "evaluate_from": None}
    cut = preset.model_copy(update={"budget": part_of(preset.budget, part), **end_alone})
    return suite.model_copy(update={"presets": {**suite.presets, name: cut}})


def _unlike(expected: Expectation, plan: Plan) -> list[str]:
    """What differs from the expectation without voiding it.

    Raises:
        GanZooError: data, split, side, extractor, N, precision, budget or a variant's settings differ.
    """
    here = _protocol(plan, expected.protocol)
    found = {TITLES[field]: pair for field, pair in differences(expected.protocol, here).items()}
    if (budget := Budget.of(expected.budget)) != plan.budget:
        found["budget"] = (str(budget), str(plan.budget))
    versions = found.pop(TITLES["versions"], None)
    if found:
        said = "; ".join(f"{title}: {one} expected, {other} here" for title, (one, other) in found.items())
        raise GanZooError(f"the expected ranges are not for this run: {said}")
    if other := [name for name, digest in _settings(plan).items() if digest != expected.settings.get(name)]:
        one = "the range was" if len(other) == 1 else "the ranges were"
        have = "has" if len(other) == 1 else "have"
        raise GanZooError(f"{expected.suite}.toml's {text.listed(other)} {have} other settings than {one} made from; "
                          "make new ranges with --update")  # fmt: skip
    return [f"versions: {versions[0]} expected, {versions[1]} here"] if versions else []


def _settings(plan: Plan) -> dict[str, str]:
    """Digest of each variant's settings."""
    trained = (cell for cell in plan.runs() if cell.variant is not None)
    return {cell.variant_name: settings_digest(cell.identity["variant"]) for cell in trained}


def _protocol(plan: Plan, expected: Protocol) -> Protocol:
    """How the plan's figures under the expectation's extractor will be measured."""
    floor = next(cell for cell in plan.runs() if cell.variant_name == FLOOR)
    metric = {"extractor": expected.extractor[0], "n": plan.preset.num_samples, "reference": expected.split}
    return fingerprint_of(begin_row(plan, floor, None), metric, manifest_of(plan))


def _said(expected: Expectation, plan: Plan, rows: list[dict[str, str]], console: Console) -> int:
    """Print what was found, and give back the exit status."""
    heads = {
        "variant": "variant",
        "value": f"{expected.title} here",
        "range": "expected range",
        "verdict": "reproduced",
    }
    console.print(fitted({head: [row[key] for row in rows] for key, head in heads.items()}, console.width))
    missed = [row["variant"] for row in rows if row["verdict"] != "yes"]
    said = f"does not reproduce {text.listed(missed)}" if missed else "reproduces the expected ranges"
    facts = [plan.measured.title, f"preset {plan.preset_name}", str(plan.budget), f"seed {plan.seeds[0]}",
             f"N = {plan.preset.num_samples:,}", expected.protocol.extractor[0]]  # fmt: skip
    seeds = text.listed([str(seed) for seed in expected.seeds])
    for line in (
        f"This machine {said}: {', '.join(facts)}.",
        f"The ranges are those of one new seed, made from seeds {seeds}; {_chance(expected)}.",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 1 if missed else 0


def _chance(expected: Expectation) -> str:
    """How often chance misses a range. No bound holds where runs failed, for the next one may fail as well."""
    if expected.failures:
        failed = ", ".join(f"{name} {share}" for name, share in expected.failures.items())
        return (
            f"they are of runs that survive, and some had failed by then ({failed}): a miss by a failure is no surprise"
        )
    share = f"{1 - expected.family:.0%}"
    return f"a machine like the one they come from misses any of them in at most {share} of checks"


if __name__ == "__main__":
    sys.exit(main())
