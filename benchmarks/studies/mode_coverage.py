"""Mode coverage of the losses: ring8, grid25 and mixture1d one after another, with one table and one figure.

Example: python -m benchmarks.studies.mode_coverage --out runs/toy

Each suite has a folder of its own below --out, with its report, and resumes if it was interrupted; toy.md, toy.csv and
toy.png in --out compare the losses over all three.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import seaborn as sns
from rich.console import Console

from benchmarks.common import run_command, table
from benchmarks.figure import figure
from gan_zoo import text
from gan_zoo.api import run_suite
from gan_zoo.bench.executors.processes import begin_early
from gan_zoo.bench.results import Results
from gan_zoo.cli.console import BenchListener
from gan_zoo.io import atomic_write
from gan_zoo.options import FLOOR
from gan_zoo.report.figures.style import INK, Look

SUITES = ("ring8", "grid25", "mixture1d")
COUNTED = SUITES[:2]
"""Those whose modes are counted."""
METRICS = ("modes_found", "high_quality", "jsd")
DENSITY = "density"


def compared(results: dict[str, Results]) -> pd.DataFrame:
    """One row a variant, set and metric, the floor as ``real``: mean, low, high, seeds, failures."""
    values = ["mean", "low", "high", "seeds", "failures", "unfinished", "num_samples"]
    summaries = [
        result.summary[result.summary["extractor"] == DENSITY].assign(data=name) for name, result in results.items()
    ]
    return pd.concat(summaries)[["data", "variant", "metric", *values]]


def markdown(rows: pd.DataFrame, results: dict[str, Results]) -> str:
    """A table over the sets whose modes are counted, and one of D and its optimum on the line."""
    parts = ["# Mode coverage of the losses"]
    for names, metrics in ((COUNTED, METRICS), (SUITES[2:], ("d_gap", "jsd"))):
        manifest = results[names[0]].manifest
        count = text.count(manifest["num_samples"])
        parts.append(
            f"{', '.join(names)}: preset {manifest['preset']}, num_samples {count}, seeds "
            f"{manifest['seeds']}, {manifest['device']}. Mean over successful seeds and 95% interval."
        )
        mine = rows[rows["data"].isin(names) & rows["metric"].isin(metrics)]
        mine = mine.assign(value=[text.estimate(row.mean, row.low, row.high) for row in mine.itertuples()])
        wide = mine.pivot(index="variant", columns=["data", "metric"], values="value")
        wide = wide[[(name, metric) for name in names for metric in metrics]].loc[ordered(rows, names)]
        wide.columns = [f"{name}: {metric}" for name, metric in wide.columns]
        seeds = mine.drop_duplicates(["data", "variant"])
        wide["failed"] = seeds.groupby("variant")["failures"].sum().astype(int)
        parts.append(table(wide.fillna(text.NOTHING).reset_index()))
    return "\n\n".join(parts) + "\n"


def ordered(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The variants of these sets, those that find most modes first (else those with the least JSD), the floor last."""
    mine = rows[rows["data"].isin(names) & (rows["variant"] != FLOOR)]
    scores = mine.pivot_table("mean", "variant", "metric", aggfunc="sum", dropna=False)
    keys = ["modes_found", "high_quality"] if len(names) > 1 else ["jsd"]
    return [*scores.sort_values(keys, ascending=len(names) == 1).index, FLOOR]


def draw(path: Path, rows: pd.DataFrame, results: dict[str, Results]) -> None:
    """A panel a set and metric: dots are seeds, bars their means, the dashed line is the floor."""
    look = Look.of(results["ring8"])
    facts = f"{results['ring8'].manifest['preset']} preset"
    order = ordered(rows, COUNTED)[:-1]
    size = {"rows": len(COUNTED), "columns": len(METRICS), "panel": (4.0, 0.8 + 0.3 * len(order))}
    with figure(path, "Mode coverage of the losses", facts, sharey=True, **size) as (_, axes):
        for axis, (name, metric) in zip(axes, [(n, m) for n in COUNTED for m in METRICS], strict=True):
            runs = results[name].runs
            column = f"final_{metric}_{DENSITY}"
            successful = runs[(runs["variant"] != FLOOR) & (runs["status"] == "ok")]
            shared = {"data": successful, "x": column, "y": "variant", "order": order, "ax": axis}
            sns.barplot(hue="variant", palette=look.colors, errorbar=None, alpha=0.7, legend=False, **shared)
            sns.stripplot(color="white", edgecolor=INK, linewidth=1, size=4, jitter=False, **shared)
            axis.axvline(runs.loc[runs["variant"] == FLOOR, column].mean(), color=INK, linestyle="--", linewidth=1.1)
            axis.set(title=f"{name}: {metric}", xlabel="", ylabel="", xlim=(0, None))


OPTIONS = {
    "--out": (Path("runs/toy"), "folder for the suites and the comparison"),
    "--preset": ("quick", "preset of the suites"),
    "--jobs": (int, "runs trained side by side; by default one a core"),
}


def run(options: argparse.Namespace) -> Path:
    """Train what is not finished, and write; returns the path of the tables."""
    begin_early()
    settings = {"preset": options.preset, "jobs": options.jobs, "device": "cpu"}
    results = {}
    for name in SUITES:
        with BenchListener(Console()) as listener:
            outcome = run_suite(name, options.out / name, listener=listener, **settings)
        for error in outcome.errors:
            print(f"a run failed: {error}", file=sys.stderr)
        results[name] = outcome.results
    rows = compared(results)
    atomic_write(options.out / "toy.csv", rows.to_csv(index=False, lineterminator="\n"))
    atomic_write(options.out / "toy.md", markdown(rows, results))
    draw(options.out / "toy.png", rows, results)
    return options.out / "toy.md"


main = partial(run_command, __doc__, "studies.mode_coverage", run, OPTIONS)

if __name__ == "__main__":
    sys.exit(main())
