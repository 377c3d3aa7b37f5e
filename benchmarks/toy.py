"""Which objectives lose modes: ring8, grid25 and mixture1d one after another, and one table and one picture over them.

Example: python benchmarks/toy.py --out runs/toy

Each suite runs into a folder of its own below --out, with a report of its own, and goes on where it was interrupted;
toy.md, toy.csv and toy.png in --out put them side by side.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markdown import Markdown

from gan_zoo import text
from gan_zoo.api import run_suite
from gan_zoo.bench.executors import processes
from gan_zoo.bench.tables import FLOOR, Results
from gan_zoo.cli.console import BenchListener
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.report.figures.style import INK, Look, figure

SUITES = ("ring8", "grid25", "mixture1d")
COUNTED = {"ring8": 8, "grid25": 25}
MEASURES = {"modes_found": "modes found", "high_quality": "high quality", "jsd": "JSD"}
DENSITY = "density"


def main() -> None:
    """Run the suites, write the comparison, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/toy"), help="folder for the suites and the comparison")
    parser.add_argument("--preset", default="quick", help="preset of the suites (default: quick)")
    parser.add_argument("--jobs", type=int, help="cells trained side by side (default: one a core)")
    chosen = parser.parse_args()
    console = Console()
    try:
        results = run(chosen.out, chosen.preset, chosen.jobs, console)
        write(chosen.out, results)
    except (GanZooError, OSError) as error:
        sys.exit(f"toy.py: {error}")
    console.print(Markdown((chosen.out / "toy.md").read_text(encoding="utf-8")))
    console.print(f"table and picture: {chosen.out / 'toy.md'}, toy.csv, toy.png", highlight=False, soft_wrap=True)


def run(out: Path, preset: str, jobs: int | None, console: Console) -> dict[str, Results]:
    """The results of each suite, run into a folder of its own below ``out``, as far as they are not there already."""
    processes.begin_early()
    results = {}
    for name in SUITES:
        console.print(f"{name}:", highlight=False)
        with BenchListener(console) as listener:
            outcome = run_suite(name, out / name, preset=preset, jobs=jobs, device="cpu", listener=listener)
        for error in outcome.errors:
            console.print(f"a cell failed: {error}", style="red", highlight=False, markup=False)
        results[name] = outcome.results
    return results


def write(out: Path, results: dict[str, Results]) -> None:
    """Write toy.csv, toy.md and toy.png into ``out``."""
    rows = compared(results)
    atomic_write(out / "toy.csv", rows.to_csv(index=False, lineterminator="\n"))
    atomic_write(out / "toy.md", markdown(rows, results))
    draw(out / "toy.png", results)


def compared(results: dict[str, Results]) -> pd.DataFrame:
    """One row a variant, set and measure, the floor as ``real``: mean, low, high, seeds, failures."""
    rows = []
    for name, result in results.items():
        for (variant, metric), line in result.lines(DENSITY).items():
            kept = {key: line[key] for key in ("mean", "low", "high", "seeds", "failures", "unfinished", "n")}
            rows.append({"data": name, "variant": variant, "metric": metric, **kept})
    return pd.DataFrame(rows)


def markdown(rows: pd.DataFrame, results: dict[str, Results]) -> str:
    """The comparison as Markdown: a table over the sets whose modes are counted, and one of D on the line."""
    plane, line = results["ring8"].manifest, results["mixture1d"].manifest
    counted = {(name, metric): f"{name}: {title}{f' of {COUNTED[name]}' if metric == 'modes_found' else ''}"
               for name in COUNTED for metric, title in MEASURES.items()}  # fmt: skip
    return "\n".join(
        [
            "# Which objectives lose modes\n",
            f"{protocol(plane)} Mean over surviving seeds and 95% interval (Student's t; JSD: geometric mean, with t "
            "on the logarithm). Modes are looked for among the first 2,500 points. real: points of the true density.\n",
            *table(rows, tuple(COUNTED), counted),
            "\n## The learned D against the optimal D*, on a line (mixture1d)\n",
            f"{protocol(line)} D gap: mean absolute difference, for the objectives whose best D is D*; p_g is the "
            "histogram of those points.\n",
            *table(rows, ("mixture1d",), {("mixture1d", "d_gap"): "D gap", ("mixture1d", "jsd"): "JSD"}),
            "",
        ]
    )


def protocol(manifest: dict[str, Any]) -> str:
    """Preset, budget, N and seeds of a suite, and the machine."""
    budget = ", ".join(f"{text.count(amount)} {unit}" for unit, amount in manifest["budget"].items())
    seeds = ", ".join(map(str, manifest["seeds"]))
    return (
        f"{manifest['preset']} preset, {budget}, N = {text.count(manifest['n'])} points a seed, seeds {seeds}, "
        f"{manifest['device']}."
    )


def table(rows: pd.DataFrame, sets: tuple[str, ...], columns: dict[tuple[str, str], str]) -> list[str]:
    """Lines of a Markdown table: a row a variant, a column a set and measure (with its head), and failed seeds."""
    said = {
        (row.variant, row.data, row.metric): text.estimate(row.mean, row.low, row.high) for row in rows.itertuples()
    }
    lines = [["variant", *columns.values(), "failed"], [":---", *["---:"] * (len(columns) + 1)]]
    for variant in variants(rows, sets):
        cells = [said.get((variant, *column), text.NOTHING) for column in columns]
        lines.append([variant, *cells, str(failed(rows, variant, sets))])
    return [f"| {' | '.join(line)} |" for line in lines]


def variants(rows: pd.DataFrame, sets: tuple[str, ...]) -> list[str]:
    """The variants of these sets, those that find most modes first (else those with the least JSD), the floor last."""
    mine = rows[rows["data"].isin(sets) & (rows["variant"] != FLOOR)]
    scores = mine.pivot_table("mean", "variant", "metric", aggfunc="sum", dropna=False)
    order = ["modes_found", "high_quality"] if len(sets) > 1 else ["jsd"]
    return [*scores.sort_values(order, ascending=len(sets) == 1).index, FLOOR]


def failed(rows: pd.DataFrame, variant: str, sets: tuple[str, ...]) -> int:
    """Seeds of a variant that failed on these sets, together."""
    mine = rows[rows["data"].isin(sets) & (rows["variant"] == variant)]
    return int(mine.drop_duplicates("data")["failures"].sum())


def draw(path: Path, results: dict[str, Results]) -> None:
    """Dots: seeds; bar: their mean; a panel a set and measure, a row a variant; dashed: the floor."""
    rows, look = compared(results), Look.of(results["ring8"])
    order = [name for name in variants(rows, tuple(COUNTED)) if name != FLOOR]
    size = {"rows": len(COUNTED), "columns": len(MEASURES), "panel": (4.0, 0.8 + 0.3 * len(order))}
    with figure(path, "Which objectives lose modes", look.facts, sharey=True, **size) as (_, axes):  # type: ignore[arg-type]
        for axis, (name, metric) in zip(axes, [(n, m) for n in COUNTED for m in MEASURES], strict=True):
            runs, column = results[name].runs.set_index("variant"), f"final_{metric}_{DENSITY}"
            for place, variant in enumerate(order):
                mine = runs.loc[[variant]]
                seeds = mine.loc[mine["status"] == "ok", column].dropna().to_numpy(dtype=float)
                means = rows[(rows["data"] == name) & (rows["variant"] == variant) & (rows["metric"] == metric)]["mean"]
                axis.barh(place, means, height=0.62, color=look.colors[variant], alpha=0.7, linewidth=0)
                axis.plot(seeds, [place] * len(seeds), "o", markersize=3.5, color="white", markeredgecolor=INK)
            axis.axvline(runs.loc[[FLOOR], column].mean(), color=INK, linestyle="--", linewidth=1.1)
            axis.set(yticks=range(len(order)), yticklabels=[look.labels[variant] for variant in order], xlim=(0, None))
            axis.set_title(f"{name}: {MEASURES[metric]}", loc="left")
            axis.grid(visible=False, axis="y")
        axes[0].invert_yaxis()


if __name__ == "__main__":
    main()
