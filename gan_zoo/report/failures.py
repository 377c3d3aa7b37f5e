"""The runs that failed or did not finish, with the rule that caught each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gan_zoo.bench.collapse import collapse, rule
from gan_zoo.bench.records import RunRecord
from gan_zoo.bench.results import Results
from gan_zoo.options import FLOOR


@dataclass(frozen=True)
class Failure:
    """A run that failed or did not finish.

    Attributes:
        status: as recorded, e.g. ``out_of_memory``; ``unfinished`` without an end.
        rule: what counts as this failure, with the value and the threshold.
        metrics: values of its last evaluation under the default extractor, by metric; empty if there was none.
        measured_at: images seen at that evaluation; None if there was none.
    """

    variant: str
    seed: int
    status: str
    rule: str
    metrics: Mapping[str, float | None]
    measured_at: int | None


def failures(results: Results) -> list[Failure]:
    """The failed and unfinished runs in the order of the tables."""
    return [_failure(results, record) for record in results.records if record.status != "ok"]


def _failure(results: Results, record: RunRecord) -> Failure:
    rows = [row for row in record.metrics if row["extractor"] == results.extractor]
    last: Mapping[str, Any] = rows[-1] if rows else {}
    return Failure(
        variant=record.begin["variant"],
        seed=record.begin["seed"],
        status=record.status,
        rule=_rule(results, record),
        metrics=dict(last.get("values", {})),
        measured_at=last.get("images"),
    )


def _rule(results: Results, record: RunRecord) -> str:
    message = (record.end or {}).get("message", "")
    match record.status:
        case "unfinished":
            return record.damage or "its records have no end: it is running, or was interrupted"
        case "collapsed":
            return rule(message or _collapse(results, record)) or message or "the rule was not recorded"
        case "diverged":
            return f"losses, scores and samples must be finite: {message or 'the value was not recorded'}"
    return message or "the reason was not recorded"


def _collapse(results: Results, record: RunRecord) -> str:
    """Why a run collapsed, from its values, as records of earlier versions do not have the reason."""
    floor = results.metrics[(results.metrics["variant"] == FLOOR) & (results.metrics["metric"] == "modes")]
    real = floor.groupby("extractor")["value"].median().to_dict()
    last = [row for row in record.metrics if row["step"] == record.metrics[-1]["step"]]
    rows = [{"real_modes": real.get(row["extractor"], 0), **row} for row in last if _is_complete(row)]
    return collapse(rows, record.history, probability=record.begin.get("score_kind") == "probability")


def _is_complete(row: Mapping[str, Any]) -> bool:
    """Whether a row of an untrusted file has the values that the rules compare."""
    return row["values"].get("modes") is not None
