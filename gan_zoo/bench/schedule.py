"""Which evaluations of a run belong to the requested budget: an extended run has those of other budgets as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_zoo.bench.records import Row, RunRecord

RESULTS = ("ok", "collapsed", "diverged", "out_of_memory")
"""The statuses that are results; a run with another one, ``error`` or ``timeout``, is run again."""
_SLACK = 1e-6


@dataclass(frozen=True)
class Schedule:
    """A budget and its evaluations.

    Attributes:
        unit: ``images``, ``steps`` or ``seconds``.
        amount: the budget in this unit.
        fractions: the evaluations as fractions of the budget, in increasing order; the last is 1.
    """

    unit: str
    amount: float
    fractions: tuple[float, ...]

    @classmethod
    def of(cls, budget: Mapping[str, float], fractions: Sequence[float], epoch: int) -> "Schedule":
        """From a budget of any unit; ``epoch`` is the number of training images."""
        ((unit, amount),) = budget.items()
        if unit == "epochs":
            unit, amount = "images", amount * epoch
        return cls(unit, float(amount), tuple(fractions))

    @property
    def budget(self) -> dict[str, float]:
        """The budget as rows of records have it, e.g. ``{"images": 256000.0}``."""
        return {self.unit: self.amount}

    def spent(self, row: Mapping[str, Any]) -> float:
        """The part of the budget used at a row of records, in its unit."""
        return float(row.get("step", row.get("steps", 0)) if self.unit == "steps" else row.get(self.unit, 0))

    def reached(self, row: Mapping[str, Any]) -> bool:
        """Whether the whole budget was used at a row of records."""
        return self.spent(row) >= self.amount - _SLACK

    def is_end(self, end: Mapping[str, Any]) -> bool:
        """Whether a run's end row is its end for this budget, or for a larger one in which it failed."""
        if end["status"] in ("ok", "collapsed"):
            return self.reached(end)
        return self._requested(end) >= self.amount - _SLACK

    def evaluations(self, record: "RunRecord") -> dict[float, int]:
        """The steps of the evaluations of this budget, by its fraction: each the first step that reaches its amount."""
        rows = sorted([*record.metrics, *record.samples, *record.points], key=lambda row: int(row["step"]))
        found = {}
        for fraction in self.fractions:
            step = next((int(row["step"]) for row in rows if self._is_at(fraction, row, record.begin)), None)
            if step is not None:
                found[fraction] = step
        return found

    def _is_at(self, fraction: float, row: Mapping[str, Any], begin: Mapping[str, Any]) -> bool:
        amount = self.amount * fraction
        if self.unit == "seconds":
            # Seconds never repeat exactly: the row names the budget that it was made for.
            return abs(self._requested(row) * row["fraction"] - amount) < _SLACK
        return -_SLACK <= self.spent(row) - amount < self._one_step(row, begin) - _SLACK

    def beyond(self, row: Mapping[str, Any], begin: Mapping[str, Any]) -> bool:
        """Whether training was at least one step beyond the budget at a row of records."""
        if self.unit == "seconds":
            return self.spent(row) > self.amount and self._requested(row) > self.amount
        return self.spent(row) >= self.amount + self._one_step(row, begin) - _SLACK

    def _requested(self, row: Mapping[str, Any]) -> float:
        """The budget that a row was made for, in this unit; 0 for another unit."""
        return float((row.get("budget") or {}).get(self.unit, 0))

    def _one_step(self, row: Mapping[str, Any], begin: Mapping[str, Any]) -> float:
        """The most that one step uses of a budget of steps or images."""
        if self.unit == "steps":
            return 1.0
        steps = row.get("step", row.get("steps", 0)) or 1
        return float(begin.get("batch_size", 0)) * row.get("discriminator_steps", steps) / steps


def select(record: "RunRecord", manifest: Mapping[str, Any]) -> "RunRecord":
    """The run with the name, overrides and budget of the manifest's preset, and only its evaluations.

    Results of earlier versions, whose runs belong to one preset, stay as they are.
    """
    if "measurements" in manifest and record.begin:
        overrides = manifest.get("overrides", {}).get(record.begin["variant"], [])
        record.begin |= {"preset": manifest["preset"], "budget": manifest.get("budget", {}), "overrides": overrides}
        measurements = {name: facts.get("measurement") for name, facts in manifest.get("extractors", {}).items()}
        record.metrics = [
            row for row in record.metrics if row.get("measurement") == measurements.get(row["extractor"], "")
        ]
    budget, epoch = manifest.get("budget"), manifest["data"].get("train")
    if not budget or not manifest.get("evaluate_at") or epoch is None or record.begin.get("batch_size") is None:
        return record
    schedule = Schedule.of(budget, manifest["evaluate_at"], epoch)
    # Of two evaluations at one step the later counts.
    fractions = {step: fraction for fraction, step in schedule.evaluations(record).items()}
    if (
        "measurements" in manifest
        and record.end
        and record.end["status"] in RESULTS
        and not schedule.is_end(record.end)
    ):
        record.end = None

    def selected(rows: list["Row"]) -> list["Row"]:
        return [{**row, "fraction": fractions[row["step"]]} for row in rows if row["step"] in fractions]

    record.metrics, record.samples, record.points = map(selected, (record.metrics, record.samples, record.points))
    return record
