"""What a search found, worked out once: frames for CSV files, and rows and sentences for the report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.plan import Plan
from gan_zoo.metrics.registry import METRICS
from gan_zoo.search.curve import expected_best
from gan_zoo.search.space import Ranges, Space
from gan_zoo.search.trials import Trial, best_of, failed, own_extractor, scored

Row = dict[str, Any]


def view(
    plan: Plan, seed: int, spaces: Mapping[str, Space], defaults: Sequence[Trial], trials: Sequence[Trial]
) -> dict[str, Any]:
    """Everything that a template needs, as text or as plain values; ``plan`` is that of the defaults."""
    metric, count = METRICS[plan.ranked_by], len(trials) // len(spaces)
    rows = rows_of(defaults, trials)
    return {
        "title": plan.suite.title, "facts": _facts(plan, count, seed), "metric": metric, "rows": rows,
        "count": count, "findings": list(_findings(rows, metric.title)),
        "note": plan.measured.note,
        "spaces": [(name, space.words(), space.reasons()) for name, space in spaces.items()],
        "trials": [_trial_row(trial) for trial in trials],
    }  # fmt: skip


def rows_of(defaults: Sequence[Trial], trials: Sequence[Trial]) -> list[Row]:
    """A row a variant: its default and its best trial."""
    mine = {default.variant: [trial for trial in trials if trial.variant == default.variant] for default in defaults}
    return [_row(default, best_of(mine[default.variant]), mine[default.variant]) for default in defaults]


def curves(defaults: Sequence[Trial], trials: Sequence[Trial]) -> pd.DataFrame:
    """The expected best of k trials of each variant: columns variant, k, expected, low, high."""
    columns = ["variant", "k", "expected", "low", "high"]
    frames = []
    for name in (default.variant for default in defaults):
        if values := scored([trial for trial in trials if trial.variant == name], [*defaults, *trials]):
            frame = expected_best(values)
            frame.insert(0, "variant", name)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def trials_frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """A row a trial: variant, trial, the settings that any variant varies, value, status, seconds of training."""
    varied = [name for name in Ranges.model_fields if any(name in trial.params for trial in trials)]
    rows = [
        {"variant": trial.variant, "trial": trial.number, **{name: trial.params.get(name) for name in varied},
         "value": trial.value, "status": trial.status, "seconds": trial.seconds}
        for trial in trials
    ]  # fmt: skip
    return _whole(pd.DataFrame(rows), ["discriminator_steps"])


def summary_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """A row a variant: the default's value and status, and the best trial with its value, and how many failed."""
    columns = ["variant", "default", "default_status", "best_trial", "best", "trials", "failures"]
    return _whole(pd.DataFrame([{key: row[key] for key in columns} for row in rows], columns=columns), ["best_trial"])


def table(rows: Sequence[Row], measure: str) -> dict[str, list[str]]:
    """Default and tuned as text by column."""
    heads = {"variant": "variant", "default_text": f"default {measure}", "best_text": f"best {measure}",
             "failures_text": "failed", "best_name": "trial", "settings": "its settings"}  # fmt: skip
    return {head: [str(row[key]) for row in rows] for key, head in heads.items()}


def settings_text(params: Mapping[str, Any]) -> str:
    """``lr 0.000213, beta1 0.5, norm batch``."""
    shown = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in params.values())
    return ", ".join(f"{name} {value}" for name, value in zip(params, shown, strict=True))


def _row(default: Trial, best: Trial | None, trials: Sequence[Trial]) -> Row:
    return {
        "variant": default.variant,
        "default": default.value, "default_status": default.status,
        "default_text": text.number(default.value) if default.counts else default.status.replace("_", " "),
        "best_trial": best.number if best else None, "best": best.value if best else math.nan,
        "best_text": text.number(best.value) if best else text.NOTHING,
        "best_name": str(best.number) if best else text.NOTHING,
        "settings": settings_text(best.params) if best else "",
        "trials": len(trials), "failures": failed(trials), "failures_text": f"{failed(trials)} of {len(trials)}",
        "beaten": best is not None and (not default.counts or best.value < default.value),
    }  # fmt: skip


def _findings(rows: Sequence[Row], measure: str) -> Iterable[str]:
    """What the table shows, in sentences."""
    if kept := [row["variant"] for row in rows if not row["beaten"] and row["best_trial"] is not None]:
        yield f"No trial was better than the default settings of {text.listed(kept)}."
    if lost := [row["variant"] for row in rows if row["best_trial"] is None]:
        yield f"No trial of {text.listed(lost)} survived: there is no tuned form of it among the winners."
    if failing := [f"{row['variant']} ({row['failures_text']})" for row in rows if row["failures"]]:
        yield (
            f"Trials that failed: {text.listed(failing)}. In the curve a failed trial, collapsed ones included, counts "
            f"with the worst {measure} that was measured in the whole search."
        )


def _trial_row(trial: Trial) -> Row:
    return {
        "variant": trial.variant, "number": trial.number, "settings": settings_text(trial.params),
        "value": text.number(trial.value), "status": trial.status.replace("_", " "),
        "seconds": text.duration(trial.seconds),
    }  # fmt: skip


def _facts(plan: Plan, count: int, seed: int) -> list[str]:
    """How the search was made, the most important first."""
    return [
        f"{plan.preset_name} preset", f"{text.plural(count, 'random trial')} a variant, search seed {seed}",
        f"each trained once, with seed {plan.seeds[0]}", f"N = {plan.preset.num_samples:,}",
        plan.measured.title, f"extractor {own_extractor(plan)}", f"budget {plan.budget}", plan.precision,
        plan.device.type.upper(),
    ]  # fmt: skip


def _whole(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Whole numbers stay whole beside cells that have none."""
    return frame.astype({name: "Int64" for name in columns if name in frame})
