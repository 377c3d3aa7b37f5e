"""The report of a search: CSV tables, a figure, search.md, a self-contained search.html, and the winners' suite."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from jinja2 import ChoiceLoader, PackageLoader
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaln

from gan_zoo import text
from gan_zoo.bench.plan import Plan
from gan_zoo.io import atomic_write, write_csv
from gan_zoo.metrics.registry import METRICS, Metric
from gan_zoo.options import RunOptions
from gan_zoo.report.context import environment, tidy
from gan_zoo.report.figures.style import FAINT, INK, STYLE, bare, scale_axis
from gan_zoo.report.figures.svg import write_png
from gan_zoo.search.space import Ranges, Space
from gan_zoo.search.trials import Trial, best_of, default_extractor, num_failures, scores, winners_suite

Columns = dict[str, list[str]]
"""A table of text, column by column."""
BAND = (0.05, 0.95)
_CURVE = ["variant", "k", "expected", "low", "high"]
_SUMMARY = ["variant", "default", "default_status", "best_trial", "best", "trials", "failures"]
_COLOR = "#0b62a4"
_OTHERS = "#c9ced4"
_LEFT = ("variant", "settings", "varied", "fixed", "status")
"""Columns of text in the tables of the report."""


@dataclass(frozen=True)
class Written:
    """The files that a reader starts with, the main table, and the command that runs the winners."""

    table: Columns
    report: Path
    winners: Path
    command: str


def write_search(
    folder: Path, plan: Plan, seed: int, spaces: Mapping[str, Space], defaults: Sequence[Trial], trials: Sequence[Trial]
) -> Written:
    """Write the report and the winners' suite; ``plan`` is that of the default settings.

    Raises:
        StorageError: the folder cannot be written to.
    """
    metric = METRICS[plan.ranked_by]
    count = len(trials) // len(spaces)
    rows = summary_rows(defaults, trials)
    curve = curves(defaults, trials)
    summary = pd.DataFrame(rows, columns=_SUMMARY).astype({"best_trial": "Int64"})
    for name, frame in (("trials", trials_frame(trials)), ("curve", curve), ("search", summary)):
        write_csv(folder / f"{name}.csv", frame)
    facts = _facts(plan, count, seed)
    figure = folder / "figures" / "expected_best.png"
    title = f"{plan.measured.title}: what a search of k trials is worth"
    values = {trial.variant: trial.value if trial.succeeded else math.nan for trial in defaults}
    write_figure(figure, title, metric, curve, values)
    page = {
        "heading": f"Search: {plan.suite.title}",
        "facts": facts,
        "metric": metric,
        "count": count,
        "findings": list(_findings(rows, metric.title)),
        "note": plan.measured.note,
        "tuned": summary_table(rows, metric.title),
        "spaces": {
            "variant": list(spaces),
            "varied": [space.summary() for space in spaces.values()],
            "fixed": [space.reasons() for space in spaces.values()],
        },
        "trials": trial_table(trials, metric.title),
        "command": bench_command("winners.toml", plan, paths=False),
        "figure": figure,
    }
    _write_pages(folder, page)
    winners = folder / "winners.toml"
    atomic_write(winners, winners_text(plan, trials, count))
    command = bench_command(str(winners), plan, paths=True)
    return Written(summary_table(rows, metric.title), folder / "search.html", winners, command)


def _write_pages(folder: Path, page: Mapping[str, Any]) -> None:
    templates = environment(folder)
    templates.loader = ChoiceLoader([PackageLoader("gan_zoo.search"), PackageLoader("gan_zoo.report")])
    templates.globals["zip"] = zip
    templates.filters["table"] = lambda table: text.markdown_table(
        list(table), zip(*table.values(), strict=True), _LEFT
    )
    atomic_write(folder / "search.md", tidy(templates.get_template("search.md.j2").render(page)))
    atomic_write(folder / "search.html", templates.get_template("search.html.j2").render(page))


def winners_text(plan: Plan, trials: Sequence[Trial], count: int) -> str:
    """The suite of the winners as TOML."""
    variants = {variant.display_name: variant for variant in plan.variants}
    best = {name: best_of([trial for trial in trials if trial.variant == name]) for name in variants}
    return (
        "# Written by `gan-zoo search`: each variant with its default settings and with those of its best trial of "
        f"{count}.\n# The search trained with seed {plan.seeds[0]} alone, which these presets do not use.\n"
        + tomli_w.dumps(without_none(winners_suite(plan.suite, variants, best, plan.options.precision)))
    )


def without_none(value: Any) -> Any:
    """A nested table without the values that TOML cannot hold."""
    if isinstance(value, Mapping):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def bench_command(suite: str, plan: Plan, *, paths: bool) -> str:
    """The command that runs the winners with the options of the search.

    Without ``paths``, plugins are given by file name, and the folders of data and checkpoints are left out, for other
    machines.
    """
    words = ["gan-zoo", "bench", suite, "--preset", plan.preset_name]
    for plugin in map(Path, plan.options.plugins):
        words += ["--plugin", str(plugin) if paths else plugin.name]
    for option in ("data_root", "device", "threads", "jobs", "executor", "address", "storage", "num_gpus"):
        value = getattr(plan.options, option)
        is_folder = option == "data_root" or (option == "storage" and "://" not in str(value))
        if value != getattr(RunOptions, option) and (paths or not is_folder):
            words += [f"--{option.replace('_', '-')}", str(value)]
    return shlex.join(words)


def expected_best(values: Sequence[float], band: tuple[float, float] = BAND) -> pd.DataFrame:
    """The lowest value of k independent random trials, for k from 1 to the number of trials that were run.

    Columns: ``k``; ``expected``, its mean, estimated without bias as the mean over all sets of k of the trials
    (Tang et al. 2020, arXiv 2004.13705: the U-statistic sum_i v_(i) C(n - i, k - 1) / C(n, k), v rising); ``low`` and
    ``high``, its quantiles under the distribution of the trials' values, P(best <= v) = 1 - (1 - F(v))^k
    (Dodge et al. 2019, arXiv 1909.03004, section 3.1). All are exact. The band is the spread between searches, and
    cannot reach below the best trial observed.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered) or not np.isfinite(ordered).all():
        raise ValueError(f"the expected best needs finite values, and is given {list(values)}")
    n = len(ordered)
    rows = []
    for k in range(1, n + 1):
        above = n - np.arange(1, n - k + 2)  # how many trials are above the lowest of a set
        shares = np.exp(_log_choose(above, k - 1) - _log_choose(n, k))
        expected = float(np.pad(shares, (0, k - 1)) @ ordered)
        reached = 1 - (1 - np.arange(1, n + 1) / n) ** k
        low, high = ordered[np.searchsorted(reached, np.array(band) - 1e-12)]
        rows.append((k, expected, low, high))
    return pd.DataFrame(rows, columns=_CURVE[1:])


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    found: np.ndarray = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return found


def curves(defaults: Sequence[Trial], trials: Sequence[Trial]) -> pd.DataFrame:
    """The expected best of k trials of each variant: columns variant, k, expected, low, high."""
    frames = []
    for name in (default.variant for default in defaults):
        values = scores([trial for trial in trials if trial.variant == name], [*defaults, *trials])
        if values:
            frames.append(expected_best(values).assign(variant=name))
    return pd.concat(frames, ignore_index=True)[_CURVE] if frames else pd.DataFrame(columns=_CURVE)


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """A row a trial: variant, trial, the settings that any variant varies, value, status, seconds of training."""
    varied = [name for name in Ranges.model_fields if any(name in trial.params for trial in trials)]
    rows = [{**vars(trial), **trial.params, "trial": trial.number} for trial in trials]
    frame = pd.DataFrame(rows, columns=["variant", "trial", *varied, "value", "status", "seconds"])
    return frame.astype({"discriminator_steps": "Int64"}) if "discriminator_steps" in frame else frame


def summary_rows(defaults: Sequence[Trial], trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """A row a variant: its default settings, its best trial, and how many trials failed."""
    rows = []
    for default in defaults:
        mine = [trial for trial in trials if trial.variant == default.variant]
        best = best_of(mine)
        row = {
            "variant": default.variant,
            "default": default.value,
            "default_status": default.status,
            "best_trial": best.number if best else None,
            "best": best.value if best else math.nan,
            "settings": settings_text(best.params) if best else "",
            "trials": len(mine),
            "failures": num_failures(mine),
            "improved": best is not None and (not default.succeeded or best.value < default.value),
        }
        rows.append(row)
    return rows


def summary_table(rows: Sequence[Mapping[str, Any]], metric: str) -> Columns:
    """The summary rows as text; a default that failed has its status in place of a value."""
    return {
        "variant": [row["variant"] for row in rows],
        f"default {metric}": [
            text.number(row["default"]) if row["default_status"] == "ok" else text.status(row["default_status"])
            for row in rows
        ],
        f"best {metric}": [text.number(row["best"]) for row in rows],
        "failed": [f"{row['failures']} of {row['trials']}" for row in rows],
        "trial": [text.count(row["best_trial"]) for row in rows],
        "settings": [row["settings"] for row in rows],
    }


def trial_table(trials: Sequence[Trial], metric: str) -> Columns:
    """All trials as text."""
    return {
        "variant": [trial.variant for trial in trials],
        "trial": [str(trial.number) for trial in trials],
        "settings": [settings_text(trial.params) for trial in trials],
        metric: [text.number(trial.value) for trial in trials],
        "status": [text.status(trial.status) for trial in trials],
        "training": [text.duration(trial.seconds) for trial in trials],
    }


def settings_text(params: Mapping[str, Any]) -> str:
    """``lr 0.000213, beta1 0.5, norm batch``."""
    values = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in params.values())
    return ", ".join(f"{name} {value}" for name, value in zip(params, values, strict=True))


def _findings(rows: Sequence[Mapping[str, Any]], metric: str) -> Iterable[str]:
    if same := [row["variant"] for row in rows if not row["improved"] and row["best_trial"] is not None]:
        yield f"No trial was better than the default settings of {text.listed(same)}."
    if lost := [row["variant"] for row in rows if row["best_trial"] is None]:
        yield f"No trial of {text.listed(lost)} succeeded: the winners have only its default settings."
    if failing := [f"{row['variant']} ({row['failures']} of {row['trials']})" for row in rows if row["failures"]]:
        yield (
            f"Trials that failed: {text.listed(failing)}. In the curve a failed trial, collapsed ones included, counts "
            f"with the worst {metric} that was measured in the whole search."
        )


def _facts(plan: Plan, count: int, seed: int) -> list[str]:
    return [
        f"{plan.preset_name} preset",
        f"{text.plural(count, 'random trial')} a variant, search seed {seed}",
        f"each trained once, with seed {plan.seeds[0]}",
        f"N = {plan.preset.num_samples:,}",
        plan.measured.title,
        f"extractor {default_extractor(plan)}",
        f"budget {plan.budget}",
        plan.precision,
        plan.device.type.upper(),
    ]


@rc_context(STYLE)
def write_figure(path: Path, title: str, metric: Metric, curve: pd.DataFrame, defaults: Mapping[str, float]) -> None:
    """Draw the curves of all variants; in each panel one is in color, with its band and its default, the others grey.

    ``defaults`` are the values of the default settings, NaN where they failed.
    """
    variants = [name for name in defaults if name in set(curve["variant"])]
    columns = max(1, min(3, len(variants)))
    rows = max(1, -(-len(variants) // columns))
    drawn = Figure(figsize=(8.4 if columns == 1 else 4.3 * columns, 3.4 * rows + 0.8), layout="constrained")
    drawn.suptitle(title if variants else f"{title}: no trial was measured")
    axes = list(drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axis, variant in zip(axes, variants, strict=False):
        _panel(axis, curve, variant, defaults[variant])
        bare(axis)
        axis.set(title=text.visible(variant), xlabel="random trials", ylabel=f"best {metric.title} {metric.arrow}")
        axis.tick_params(labelbottom=True)
    for axis in axes[len(variants) :]:
        axis.set_axis_off()
    if variants:
        values = [*curve["low"], *curve["high"], *filter(math.isfinite, defaults.values())]
        log = min(values) > 0
        limits = (min(values) / 1.1, max(values) * 1.1) if log else axes[0].get_ylim()
        scale_axis(axes[0].yaxis, limits, log=log, gap=0.1)
        handles = [
            Line2D([], [], color=_COLOR, linewidth=2.2, label="expected best of k trials"),
            Line2D([], [], color=_COLOR, linewidth=8, alpha=0.15, label="5% to 95%"),
            Line2D([], [], color=INK, linestyle="--", linewidth=1.2, label="default settings"),
            Line2D([], [], color=_OTHERS, linewidth=1.2, label="other variants"),
        ]
        drawn.legend(handles=handles, loc="outside lower center", ncols=min(4, 2 * columns), frameon=False)
    write_png(drawn, path)


def _panel(axis: Axes, curve: pd.DataFrame, variant: str, default: float) -> None:
    for other, line in curve.groupby("variant", sort=False):
        if other != variant:
            axis.plot(line["k"], line["expected"], color=_OTHERS, linewidth=1.2, zorder=1)
    mine = curve[curve["variant"] == variant]
    axis.fill_between(mine["k"], mine["low"], mine["high"], color=_COLOR, alpha=0.15, linewidth=0)
    marker = "o" if len(mine) <= 20 else None
    axis.plot(mine["k"], mine["expected"], color=_COLOR, linewidth=2.2, marker=marker, markersize=4.5, zorder=3)
    if math.isfinite(default):
        axis.axhline(default, color=INK, linestyle="--", linewidth=1.2, zorder=2)
    else:
        axis.text(0.97, 0.95, "default failed", transform=axis.transAxes, ha="right", va="top", color=FAINT, fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
