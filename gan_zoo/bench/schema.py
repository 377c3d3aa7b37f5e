"""What manifests and rows of records may hold. Results folders come from anyone: everything read is checked first."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gan_zoo.checked import Amount, Checked, Classes, Count, Finite, Name, Pixels, Text, fault
from gan_zoo.metrics.registry import MetricRecord


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file:
        raise ValueError("must be a path inside the folder")
    return file


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("must not name anything twice")
    return names


File = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_inside)]
Values = dict[Text, Finite | None]
Budget = dict[Literal["images", "epochs", "steps", "seconds"], Amount]
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
    conditioning: Text = ""
    objective: Text = ""
    score_kind: Text = ""
    latent: Text = ""
    batch_size: Count | None = None
    budget: Budget = {}
    identity: dict[str, Any] = {}
    parameters: dict[Text, Count] = {}
    overrides: list[Text] = []
    deviations: list[Text] = []


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
    values: Values
    partial: bool = False


class _Metrics(_At):
    fraction: Amount
    extractor: Name
    num_samples: Count | None = None
    values: Values
    selection: Values | None = None
    measurement: Text | None = None
    weights: Text = ""
    reference: Text = ""
    evaluation_seconds: Amount | None = None


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
    message: Text = ""
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
    class_names: list[Text] = []
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


class _Named(_Checked):
    variant: Text = ""


class _Suite(_Checked):
    named: dict[Text, _Named] = {}


class _Manifest(_Checked):
    runs: Annotated[list[Name], AfterValidator(_unique)]
    data: _Data
    preset: Text
    variants: Annotated[list[Name], AfterValidator(_unique)]
    seeds: list[Count]
    title: Text = ""
    suite: _Suite = _Suite()
    contrasts: list[Annotated[list[Name], Field(min_length=2, max_length=2)]] = []
    budget: Annotated[Budget, Field(max_length=1)] = {}
    evaluate_at: list[Amount] = []
    num_samples: Count | None = None
    ranked_by: Name = "fid"
    extractors: dict[Name, _Extractor] = {}
    images: dict[Name, Text] = {}
    measurements: dict[Name, dict[str, Any]] = {}
    metrics: dict[Name, MetricRecord] = {}
    single: bool = False
    overrides: dict[Name, list[Text]] = {}
    notices: list[Text] = []
    device: Text = ""
    device_kind: Text = ""
    command: Text = ""
    precision: Text = ""
    threads: Count | None = None
    jobs: Count | None = None
    versions: dict[Text, Text] = {}
    git_commit: Text | None = None
    started: Text = ""
    wall_seconds: Amount | None = None
    peak_memory_bytes: Count | None = None
    finished: bool = True


def row_fault(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of records, in a line; empty for a valid one.

    Example: ``key 'step' is -1: input should be greater than or equal to 0``.
    """
    model = _ROWS.get(row["row"])
    return f"row {row['row']!r} is unknown" if model is None else fault(model, row)


def manifest_fault(manifest: Mapping[str, Any]) -> str:
    """What is wrong with a manifest, in a line; empty for a valid one."""
    return fault(_Manifest, manifest)
