"""What manifests and rows of records may hold. Results folders come from anyone: everything read is checked first."""

import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from gan_zoo.checked import Amount, Checked, Classes, Count, Finite, Name, Pixels, Text, fault
from gan_zoo.metrics.registry import MOST_CLASS_COUNTS, MetricRecord
from gan_zoo.options import MAX_TARGETS

STAMP = ["data", "preset", "precision", "overrides"]
"""Columns of every table: under which settings a row was made."""
RESERVED = {"", "step", "images", "seconds", "discriminator_steps", "generator_steps", *STAMP, "variant", "seed"}
"""Columns of the table of history that no recorded value may replace."""


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not file.isprintable():
        raise ValueError("must be a path inside the folder")
    return file


def _columns(values: dict[str, float | None]) -> dict[str, float | None]:
    if reserved := sorted(values.keys() & RESERVED):
        raise ValueError(f"{reserved[0]!r} is no name of a value")
    return values


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("must not name anything twice")
    return names


Prose = Annotated[str, Field(max_length=1_000_000)]
"""Text that follows from a suite, a command line or an error, which may be long."""
ClassName = Annotated[str, Field(max_length=255)]
Samples = Annotated[int, Field(ge=1, le=2**53)]
File = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_inside)]
Values = dict[Text, Finite | None]
Budget = dict[Literal["images", "epochs", "steps", "seconds"], Amount]
Targets = Annotated[list[Amount], Field(max_length=MAX_TARGETS)]
Names = Annotated[list[Name], Field(max_length=100_000), AfterValidator(_unique)]
Pair = Annotated[list[Name], Field(min_length=2, max_length=2)]
Tiles = Annotated[int, Field(ge=1, le=100)]


class _Checked(BaseModel):  # Not Checked itself: ruff would take defaults such as [] for shared ones.
    model_config = Checked.model_config


class _Begin(_Checked):
    variant: Name
    seed: Count
    data: Name
    preset: Text
    precision: Text = ""
    title: Text = ""
    paper: Text = ""
    conditioning: Prose = ""
    objective: Prose = ""
    score_kind: Text = ""
    latent: Prose = ""
    batch_size: Count | None = None
    budget: Budget = {}
    identity: dict[str, Any] = {}
    parameters: dict[Text, Count] = {}
    overrides: list[Prose] = []
    deviations: list[Prose] = []


class _Resume(_Checked):
    step: Count


class _At(_Checked):
    """A row that belongs to a step of training."""

    step: Count
    images: Count
    seconds: Amount
    discriminator_steps: Count | None = None
    generator_steps: Count | None = None
    budget: Budget | None = None


class _History(_At):
    values: Annotated[Values, AfterValidator(_columns)]
    partial: bool = False


class _Metrics(_At):
    fraction: Amount
    extractor: Name
    num_samples: Samples | None = None
    values: Values
    selection: Values | None = None
    measurement: Text | None = None
    weights: Text = ""
    reference: Text = ""
    evaluation_seconds: Amount | None = None
    class_counts: Annotated[list[Count], Field(max_length=MOST_CLASS_COUNTS)] | None = None


class _Samples(_At):
    fraction: Amount
    kind: Literal["grid", "classes", "neighbors"]
    file: File
    columns: Tiles
    rows: Tiles
    width: Pixels
    height: Pixels


class _Points(_At):
    fraction: Amount
    file: File


class _End(_Checked):
    status: Literal["ok", "collapsed", "diverged", "out_of_memory", "error", "timeout"]
    message: Prose = ""
    steps: Count
    images: Count
    seconds: Amount
    budget: Budget | None = None
    execution: Text = ""
    discriminator_steps: Count | None = None
    generator_steps: Count | None = None
    images_per_second: Amount | None = None
    warmup_seconds: Amount | None = None
    evaluation_seconds: Amount | None = None
    peak_memory_bytes: Count | None = None


_ROWS: Mapping[str, type[_Checked]] = {
    "begin": _Begin,
    "resume": _Resume,
    "history": _History,
    "metrics": _Metrics,
    "samples": _Samples,
    "points": _Points,
    "end": _End,
}


_Point = Annotated[list[Finite], Field(min_length=1, max_length=2)]


class _Density(_Checked):
    model_config = ConfigDict(strict=True, extra="forbid")

    means: Annotated[list[_Point], Field(min_length=1, max_length=1_000)]
    weights: list[Amount]
    deviation: Annotated[Amount, Field(gt=0)]
    bins: Annotated[int, Field(ge=1, le=1000)]
    scale: Annotated[Amount, Field(gt=0)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        dimensions = {len(mean) for mean in self.means}
        if len(self.weights) != len(self.means) or len(dimensions) != 1:
            raise ValueError("means and weights do not belong together")
        if not math.isclose(math.fsum(self.weights), 1, abs_tol=1e-9):
            raise ValueError("weights do not sum to 1")
        if len(self.means) * self.bins ** dimensions.pop() > 2 * 10**7:
            raise ValueError("too many means and bins")
        return self


class _Data(_Checked):
    name: Name
    title: Text
    note: Text = ""
    requested: Text = ""
    fingerprint: Text = ""
    train: Count | None = None
    test: Count | None = None
    classes: Classes | None = None
    class_names: Annotated[list[ClassName], Field(max_length=100_000)] = []
    shape: Annotated[list[Count], Field(max_length=3)] = []
    kind: Literal["images", "points"] = "images"
    density: _Density | None = None

    @model_validator(mode="after")
    def _has_density(self) -> Self:
        if self.kind == "points" and self.density is None:
            raise ValueError("points need the key 'density'")
        return self


class _Extractor(_Checked):
    digest: Text | None = None
    accuracy: Finite | None = None
    measurement: Text | None = None


class _Override(_Checked):
    variant: Text = ""


class _Preset(_Checked):
    targets: Targets = []


class _Suite(_Checked):
    named: dict[Text, _Override] = {}
    presets: dict[Text, _Preset] = {}
    targets: Targets = []


class _Manifest(_Checked):
    runs: Names
    data: _Data
    preset: Text
    variants: Names
    seeds: Annotated[list[Count], Field(max_length=100_000)]
    title: Text = ""
    suite: _Suite = _Suite()
    contrasts: Annotated[list[Pair], Field(max_length=1000)] = []
    budget: Annotated[Budget, Field(max_length=1)] = {}
    evaluate_at: Annotated[list[Amount], Field(max_length=1000)] = []
    num_samples: Samples | None = None
    ranked_by: Name = "fid"
    extractors: dict[Name, _Extractor] = {}
    images: dict[Name, Text] = {}
    measurements: dict[Name, dict[str, Any]] = {}
    metrics: dict[Name, MetricRecord] = {}
    single: bool = False
    overrides: dict[Name, list[Prose]] = {}
    notices: Annotated[list[Prose], Field(max_length=1000)] = []
    device: Text = ""
    device_kind: Text = ""
    command: Prose = ""
    precision: Text = ""
    threads: Count | None = None
    executor: Literal["local", "ray"] = "local"
    jobs: Count | None = None
    versions: dict[Text, Text] = {}
    git_commit: Text | None = None
    started: Text = ""
    wall_seconds: Amount | None = None
    peak_memory_bytes: Count | None = None
    finished: bool = True

    @field_validator("metrics")
    @classmethod
    def _names_are_keys(cls, metrics: dict[str, MetricRecord]) -> dict[str, MetricRecord]:
        if any(name != metric.name for name, metric in metrics.items()):
            raise ValueError("each metric must have its key as its name")
        return metrics


def row_fault(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of records, in a line; empty for a valid one.

    Example: ``key 'step' is -1: input should be greater than or equal to 0``.
    """
    model = _ROWS.get(row["row"])
    return f"row {row['row']!r} is unknown" if model is None else fault(model, row)


def manifest_fault(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a manifest, in a line; empty for a valid one."""
    return fault(_Manifest, manifest)
