"""Suite files: what is compared, as TOML, checked key by key."""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gan_zoo.errors import GanZooError, unknown

_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(gt=0, le=1)]
_BUDGETS = ("images", "epochs", "steps", "seconds")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Preset(_Table):
    """How much of a suite is run.

    Attributes:
        seeds: how many seeds (0, 1, ...), or the seeds themselves.
        budget: one unit and its amount, e.g. ``{images = 256_000}``.
        evaluate_at: the points of measurement, as shares of the budget; the last is 1.
        n: images measured at each point, of each variant, of the floor and of the reference.
        batch_size: real samples a discriminator step, in place of each variant's own.
        variants: in place of the suite's.
        extractors: in place of the suite's.
        options: hyperparameters by variant, e.g. ``{dcgan = {width = 32}}``.
    """

    seeds: _Count | list[Annotated[int, Field(ge=0)]]
    budget: dict[str, Annotated[int | float, Field(gt=0)]]
    evaluate_at: list[_Share] = [1.0]
    n: _Count
    batch_size: _Count | None = None
    variants: list[str] | None = None
    extractors: list[str] | None = None
    options: dict[str, dict[str, Any]] = {}

    @field_validator("budget")
    @classmethod
    def _one_unit(cls, budget: dict[str, float]) -> dict[str, float]:
        if len(budget) != 1 or next(iter(budget)) not in _BUDGETS:
            raise ValueError(f"must name exactly one of {', '.join(_BUDGETS)}, not {', '.join(budget) or 'nothing'}")
        return budget

    @field_validator("evaluate_at")
    @classmethod
    def _rising_to_one(cls, shares: list[float]) -> list[float]:
        if shares != sorted(set(shares)) or not shares or shares[-1] != 1:
            raise ValueError(f"must rise to 1, e.g. [0.1, 0.5, 1.0], not {shares}")
        return shares

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: int | list[int]) -> int | list[int]:
        if isinstance(seeds, list) and (not seeds or len(set(seeds)) != len(seeds)):
            raise ValueError(f"must be different seeds, at least one, not {seeds}")
        return seeds

    @property
    def seed_list(self) -> list[int]:
        """The seeds, one by one."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


class Suite(_Table):
    """A comparison: a data set, the variants, what measures them, and presets of it.

    ``channels`` draws grey images in 3 channels, or colored ones in 1; without it, the data set's own.
    """

    title: str
    data: str
    variants: Annotated[list[str], Field(min_length=1)]
    extractors: Annotated[list[str], Field(min_length=1)]
    channels: int | None = None
    presets: Annotated[dict[str, Preset], Field(min_length=1)]

    def preset(self, name: str) -> Preset:
        """The preset of that name.

        Raises:
            GanZooError: there is none.
        """
        if name not in self.presets:
            raise unknown("preset", name, [*self.presets, "auto"])
        return self.presets[name]


def read_suite(path: Path) -> Suite:
    """Read and check a suite file.

    Raises:
        GanZooError: no such file, no TOML, or keys and values that do not fit: one line each, with the file, the key and
            what is allowed.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GanZooError(f"suite {str(path)!r} does not exist; the suites are in benchmarks/") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GanZooError(f"suite {str(path)!r} cannot be read: {error}") from None
    try:
        return Suite.model_validate(table)
    except ValidationError as errors:
        raise GanZooError("\n".join(f"{path}: {_line(error)}" for error in errors.errors())) from None


def _line(error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = list((Preset if location[0] == "presets" else Suite).model_fields)
        return f"unknown key {key!r}{_nearest(location[-1], known)} Allowed: {', '.join(known)}"
    if error["type"] == "missing":
        return f"key {key!r} is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"key {key!r} is {error['input']!r}: {message[0].lower()}{message[1:]}"


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else "."
