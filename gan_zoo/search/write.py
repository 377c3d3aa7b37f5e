"""What a search leaves to read: tables as CSV, a picture, search.md, a self-contained search.html, and the winners."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, PackageLoader

from gan_zoo.bench.plan import Plan
from gan_zoo.io import atomic_write
from gan_zoo.report.context import environment, tidy
from gan_zoo.search.figure import write_figure
from gan_zoo.search.space import Space
from gan_zoo.search.toml import toml
from gan_zoo.search.trials import Trial, best_of
from gan_zoo.search.view import curves, summary_frame, table, trials_frame, view
from gan_zoo.search.winners import winners_suite
from gan_zoo.text import plural


@dataclass(frozen=True)
class Written:
    """The files that a person reads next, and the main table as text by column: default and tuned, a row a variant.

    ``command`` runs the winners, with what the search was given beside its suite.
    """

    table: Mapping[str, list[str]]
    report: Path
    winners: Path
    command: str


def write_search(
    folder: Path, plan: Plan, seed: int, spaces: Mapping[str, Space], defaults: Sequence[Trial], trials: Sequence[Trial]
) -> Written:
    """Write everything that a reader of a search needs into its folder; ``plan`` is that of the defaults.

    Raises:
        StorageError: the folder cannot be written to.
    """
    context = view(plan, seed, spaces, defaults, trials)
    curve = curves(defaults, trials)
    frames = {"trials": trials_frame(trials), "curve": curve, "search": summary_frame(context["rows"])}
    for name, frame in frames.items():
        atomic_write(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    context["command"] = bench_command("winners.toml", plan, paths=False)
    context["picture"] = _picture(folder, plan, context, curve, defaults)
    _write_report(folder, context)
    best = {name: best_of([trial for trial in trials if trial.variant == name]) for name in spaces}
    winners = _write_winners(folder / "winners.toml", plan, best, context["count"])
    command = bench_command(str(winners), plan, paths=True)
    return Written(table(context["rows"], context["metric"].title), folder / "search.html", winners, command)


def bench_command(suite: str, plan: Plan, *, paths: bool) -> str:
    """The command that runs the winners as the search ran; their presets have its precision.

    Without ``paths``, which tell of one machine, plugins are named by their files and the data's folder is left out.
    """
    recipe = plan.recipe
    words = ["gan-zoo", "bench", suite, "--preset", plan.preset_name]
    for plugin in recipe.plugins:
        words += ["--plugin", str(plugin) if paths else plugin.name]
    given = {
        "--data-root": recipe.data_root if paths else None,
        "--device": recipe.device,
        "--threads": recipe.threads,
        "--jobs": recipe.jobs,
    }
    return shlex.join([*words, *(str(word) for item in given.items() if item[1] is not None for word in item)])


def _picture(
    folder: Path, plan: Plan, context: Mapping[str, Any], curve: pd.DataFrame, defaults: Sequence[Trial]
) -> Path:
    path = folder / "figures" / "expected_best.png"
    title = f"{plan.measured.title}: what a search of k trials is worth"
    shown = {trial.variant: trial.value if trial.counts else math.nan for trial in defaults}
    write_figure(path, title, " · ".join(context["facts"][:4]), context["metric"], curve, shown)
    return path


def _write_report(folder: Path, context: Mapping[str, Any]) -> None:
    templates = environment(folder)
    templates.loader = ChoiceLoader([PackageLoader("gan_zoo.search"), PackageLoader("gan_zoo.report")])
    atomic_write(folder / "search.md", tidy(templates.get_template("search.md.j2").render(context)))
    atomic_write(folder / "search.html", templates.get_template("search.html.j2").render(context))


def _write_winners(path: Path, plan: Plan, best: Mapping[str, Trial | None], count: int) -> Path:
    variants = {variant.shown: variant for variant in plan.variants}
    comments = [
        "Written by `gan-zoo search`: each variant as it was, and with the settings of the best of its "
        f"{plural(count, 'random trial')}.",
        f"The search trained with seed {plan.seeds[0]} alone: the seeds of these presets are fresh.",
    ]
    atomic_write(path, toml(winners_suite(plan.recipe.suite, variants, best, plan.recipe.precision), comments))
    return path
