"""The report of a search: CSV tables, a figure, search.md, a self-contained search.html, and the winners' suite."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import ChoiceLoader, PackageLoader
from scipy.special import gammaln

from gan_zoo import text
from gan_zoo.bench.plan import Plan
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report.context import environment, tidy
from gan_zoo.search.figure import write_figure
from gan_zoo.search.space import Ranges, Space
from gan_zoo.search.toml import toml
from gan_zoo.search.trials import Trial, best_of, default_extractor, num_failures, scores, winners_suite

Row = dict[str, Any]
BAND = (0.05, 0.95)


@dataclass(frozen=True)
class Written:
    """The files that a reader starts with, the main table as text by column, and the command that runs the winners."""

    table: Mapping[str, list[str]]
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
    rows = summary_rows(defaults, trials)
    count = len(trials) // len(spaces)
    curve = curves(defaults, trials)
    for name, frame in (("trials", trials_frame(trials)), ("curve", curve), ("search", summary_frame(rows))):
        atomic_write(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    facts = _facts(plan, count, seed)
    figure = folder / "figures" / "expected_best.png"
    title = f"{plan.measured.title}: what a search of k trials is worth"
    values = {trial.variant: trial.value if trial.succeeded else math.nan for trial in defaults}
    write_figure(figure, title, " · ".join(facts[:4]), metric, curve, values)
    context = {
        "title": plan.suite.title,
        "facts": facts,
        "metric": metric,
        "rows": rows,
        "count": count,
        "findings": list(_findings(rows, metric.title)),
        "note": plan.measured.note,
        "spaces": [(name, space.summary(), space.reasons()) for name, space in spaces.items()],
        "trials": [_trial_texts(trial) for trial in trials],
        "command": bench_command("winners.toml", plan, paths=False),
        "picture": figure,
    }
    templates = environment(folder)
    templates.loader = ChoiceLoader([PackageLoader("gan_zoo.search"), PackageLoader("gan_zoo.report")])
    atomic_write(folder / "search.md", tidy(templates.get_template("search.md.j2").render(context)))
    atomic_write(folder / "search.html", templates.get_template("search.html.j2").render(context))
    best = {name: best_of([trial for trial in trials if trial.variant == name]) for name in spaces}
    winners = _write_winners(folder / "winners.toml", plan, best, count)
    command = bench_command(str(winners), plan, paths=True)
    return Written(summary_table(rows, metric.title), folder / "search.html", winners, command)


def _write_winners(path: Path, plan: Plan, best: Mapping[str, Trial | None], count: int) -> Path:
    variants = {variant.display_name: variant for variant in plan.variants}
    comments = [
        "Written by `gan-zoo search`: each variant with its default settings and with those of its best trial of "
        f"{count}.",
        f"The search trained with seed {plan.seeds[0]} alone, which these presets do not use.",
    ]
    atomic_write(path, toml(winners_suite(plan.suite, variants, best, plan.options.precision), comments))
    return path


def bench_command(suite: str, plan: Plan, *, paths: bool) -> str:
    """The command that runs the winners with the options of the search.

    Without ``paths``, plugins are given by file name and the data folder is left out, for other machines.
    """
    recipe = plan.options
    words = ["gan-zoo", "bench", suite, "--preset", plan.preset_name]
    for plugin in map(Path, recipe.plugins):
        words += ["--plugin", str(plugin) if paths else plugin.name]
    options = {
        "--data-root": recipe.data_root if paths else None,
        "--device": recipe.device,
        "--threads": recipe.threads,
        "--jobs": recipe.jobs,
    }
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
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
        low, high = (_quantile(ordered, k, level) for level in band)
        rows.append({"k": k, "expected": float(_weights(n, k) @ ordered), "low": low, "high": high})
    return pd.DataFrame(rows, columns=["k", "expected", "low", "high"])


def _weights(n: int, k: int) -> np.ndarray:
    """The share of the sets of k out of n whose lowest is the i-th, for each i from 1: C(n - i, k - 1) / C(n, k)."""
    above = n - np.arange(1, n - k + 2)  # the sets below whose lowest k - 1 others are left
    logs = _log_choose(above, k - 1) - _log_choose(np.array([n]), k)
    return np.concatenate([np.exp(logs), np.zeros(k - 1)])


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)


def _quantile(ordered: np.ndarray, k: int, level: float) -> float:
    """The lowest value v with P(best of k <= v) of at least ``level``."""
    n = len(ordered)
    reached = 1 - (1 - np.arange(1, n + 1) / n) ** k
    return float(ordered[np.searchsorted(reached, level - 1e-12)])


def curves(defaults: Sequence[Trial], trials: Sequence[Trial]) -> pd.DataFrame:
    """The expected best of k trials of each variant: columns variant, k, expected, low, high."""
    frames = []
    for name in (default.variant for default in defaults):
        values = scores([trial for trial in trials if trial.variant == name], [*defaults, *trials])
        if values:
            frame = expected_best(values)
            frame.insert(0, "variant", name)
            frames.append(frame)
    empty = pd.DataFrame(columns=["variant", "k", "expected", "low", "high"])
    return pd.concat(frames, ignore_index=True) if frames else empty


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """A row a trial: variant, trial, the settings that any variant varies, value, status, seconds of training."""
    varied = [name for name in Ranges.model_fields if any(name in trial.params for trial in trials)]
    rows = [
        {
            "variant": trial.variant,
            "trial": trial.number,
            **{name: trial.params.get(name) for name in varied},
            "value": trial.value,
            "status": trial.status,
            "seconds": trial.seconds,
        }
        for trial in trials
    ]
    return _with_integers(pd.DataFrame(rows), "discriminator_steps")


def summary_rows(defaults: Sequence[Trial], trials: Sequence[Trial]) -> list[Row]:
    """A row a variant: its default settings and its best trial, as numbers and as text."""
    rows = []
    for default in defaults:
        mine = [trial for trial in trials if trial.variant == default.variant]
        best = best_of(mine)
        failures = num_failures(mine)
        row = {
            "variant": default.variant,
            "default": default.value,
            "default_status": default.status,
            "default_text": text.number(default.value) if default.succeeded else default.status.replace("_", " "),
            "best_trial": best.number if best else None,
            "best": best.value if best else math.nan,
            "best_text": text.number(best.value) if best else text.NOTHING,
            "best_name": str(best.number) if best else text.NOTHING,
            "settings": settings_text(best.params) if best else "",
            "trials": len(mine),
            "failures": failures,
            "failures_text": f"{failures} of {len(mine)}",
            "improved": best is not None and (not default.succeeded or best.value < default.value),
        }
        rows.append(row)
    return rows


def summary_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """The numbers of the summary rows."""
    columns = ["variant", "default", "default_status", "best_trial", "best", "trials", "failures"]
    numbers = [{key: row[key] for key in columns} for row in rows]
    return _with_integers(pd.DataFrame(numbers, columns=columns), "best_trial")


def summary_table(rows: Sequence[Row], metric: str) -> dict[str, list[str]]:
    """The texts of the summary rows by column."""
    heads = {
        "variant": "variant",
        "default_text": f"default {metric}",
        "best_text": f"best {metric}",
        "failures_text": "failed",
        "best_name": "trial",
        "settings": "its settings",
    }
    return {head: [str(row[key]) for row in rows] for key, head in heads.items()}


def settings_text(params: Mapping[str, Any]) -> str:
    """``lr 0.000213, beta1 0.5, norm batch``."""
    values = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in params.values())
    return ", ".join(f"{name} {value}" for name, value in zip(params, values, strict=True))


def _trial_texts(trial: Trial) -> Row:
    return {
        "variant": trial.variant,
        "number": trial.number,
        "settings": settings_text(trial.params),
        "value": text.number(trial.value),
        "status": trial.status.replace("_", " "),
        "seconds": text.duration(trial.seconds),
    }


def _findings(rows: Sequence[Row], metric: str) -> Iterable[str]:
    if same := [row["variant"] for row in rows if not row["improved"] and row["best_trial"] is not None]:
        yield f"No trial was better than the default settings of {text.listed(same)}."
    if lost := [row["variant"] for row in rows if row["best_trial"] is None]:
        yield f"No trial of {text.listed(lost)} succeeded: the winners have only its default settings."
    if failing := [f"{row['variant']} ({row['failures_text']})" for row in rows if row["failures"]]:
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


def _with_integers(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of integers in which some are missing."""
    return frame.astype({column: "Int64"}) if column in frame else frame
