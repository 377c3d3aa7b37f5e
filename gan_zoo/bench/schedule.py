"""Which evaluations of a run belong to the budget that is asked for: an extended run has those of others too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_zoo.bench.records import Cell, Row

_SLACK = 1e-6
_SECONDS_SLACK = 0.05


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

    def spent(self, row: Mapping[str, Any]) -> float:
        """How much of the budget had been used at a row of records, in its unit."""
        return float(row.get("step", row.get("steps", 0)) if self.unit == "steps" else row.get(self.unit, 0))

    def reached(self, row: Mapping[str, Any]) -> bool:
        """Whether the whole budget had been used at a row of records."""
        return self.spent(row) >= self.amount - _SLACK

    def evaluations(self, cell: "Cell") -> dict[int, float]:
        """The steps at which the run was evaluated for this budget, and the fraction of the budget of each.

        An evaluation belongs to the first step that reaches its amount.
        """
        rows = sorted([*cell.metrics, *cell.samples, *cell.points], key=lambda row: int(row["step"]))
        found = {}
        for fraction in self.fractions:
            for row in rows:
                beyond = self.spent(row) - self.amount * fraction
                if -_SLACK <= beyond < self._one_step(row, cell.begin) - _SLACK:
                    found[int(row["step"])] = fraction
                    break
        return found

    def beyond(self, row: Mapping[str, Any], begin: Mapping[str, Any]) -> bool:
        """Whether training had gone at least a step beyond the budget at a row of records."""
        return self.spent(row) >= self.amount + self._one_step(row, begin) - _SLACK

    def _one_step(self, row: Mapping[str, Any], begin: Mapping[str, Any]) -> float:
        """The most that one step uses of the budget; of seconds, which no two runs share, a twentieth."""
        if self.unit == "steps":
            return 1.0
        if self.unit == "seconds":
            return max(1.0, _SECONDS_SLACK * self.spent(row))
        steps = row.get("step", row.get("steps", 0)) or 1
        return float(begin.get("batch_size", 0)) * row.get("discriminator_steps", steps) / steps


def select(cell: "Cell", manifest: Mapping[str, Any]) -> "Cell":
    """The run with the evaluations alone that the manifest's budget and measurements ask for, and with its preset.

    The records of an extended run begin with the facts of an earlier preset. Results of earlier versions, whose
    manifest does not tell them, are returned as they are.
    """
    facts = {"preset": manifest.get("preset"), "budget": manifest.get("budget")}
    facts["departures"] = (manifest.get("departures") or {}).get(cell.begin.get("variant", ""))
    cell.begin |= {key: value for key, value in facts.items() if key in cell.begin and value is not None}
    measurements = {name: facts.get("measurement") for name, facts in (manifest.get("extractors") or {}).items()}
    cell.metrics = [row for row in cell.metrics if _is_measured_by(row, measurements)]
    budget, epoch = manifest.get("budget"), manifest["data"].get("train")
    if not budget or not manifest.get("evaluate_at") or epoch is None or cell.begin.get("batch_size") is None:
        return cell
    fractions = Schedule.of(budget, manifest["evaluate_at"], epoch).evaluations(cell)

    def selected(rows: list["Row"]) -> list["Row"]:
        return [{**row, "fraction": fractions[row["step"]]} for row in rows if row["step"] in fractions]

    cell.metrics, cell.samples, cell.points = map(selected, (cell.metrics, cell.samples, cell.points))
    return cell


def _is_measured_by(row: Mapping[str, Any], measurements: Mapping[str, Any]) -> bool:
    wanted = measurements.get(row.get("extractor", ""))
    return wanted is None or row.get("measurement") == wanted
