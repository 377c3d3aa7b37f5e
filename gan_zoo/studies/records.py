"""Records of studies: one JSON file a study, and its pictures. Nothing here imports torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gan_zoo.checked import Checked, Count, Finite, Name, Text, fault
from gan_zoo.errors import DamagedFileError, GanZooError, one_line
from gan_zoo.io import atomic_write, inside
from gan_zoo.statistics import t_interval
from gan_zoo.statistics.intervals import Estimate

FOLDER = "studies"
"""The folder of the studies in a results folder."""
FORMAT = "gan-zoo study 1"
_LARGEST_PICTURE = 4 * 2**20  # bytes


@dataclass(frozen=True)
class Measure:
    """A number that a study gives.

    Attributes:
        name: key of its rows.
        title: what tables call it.
        better: ``higher``, ``lower`` or empty: no direction is better.
        bounds: least and largest value, None without a bound.
        meaning: one sentence: what is measured, and in which unit.
        difference: whether the difference from a baseline means something; else the conditions stand side by side.
    """

    name: str
    title: str
    better: str
    meaning: str
    bounds: tuple[float | None, float | None] = (None, None)
    difference: bool = True


@dataclass(frozen=True)
class Value:
    """A measure of one trained GAN under one condition: the first of a study is its subject, the others baselines."""

    variant: str
    seed: int
    measure: str
    condition: str
    value: float


@dataclass(frozen=True)
class PictureFile:
    """A picture of one trained GAN.

    Attributes:
        file: path relative to the folder of the record, PNG or animated WebP.
        still: of an animation, the path of a PNG file that shows the same; else empty.
        caption: at most 25 words: what is drawn, over what.
        scale: CSS pixels a pixel.
    """

    variant: str
    seed: int
    file: str
    caption: str
    still: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Record:
    """All that a study found.

    Attributes:
        study: its name.
        title, question: heading, and the question that it answers.
        reading: how the numbers are read, and what limits them.
        source: paper and section.
        measures, values, pictures: what it found; the first condition of a measure is its subject.
        settings: the options of the study, num_samples and the like.
        provenance: command, git commit, device and versions.
        notes: what a reader must know, e.g. which runs were left out.
    """

    study: str
    title: str
    question: str
    reading: str
    source: str
    measures: Sequence[Measure]
    values: Sequence[Value]
    pictures: Sequence[PictureFile] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


class _Measure(Checked):
    name: Name
    title: Text
    better: Literal["higher", "lower", ""]
    meaning: Text
    bounds: Annotated[list[Finite | None], Field(min_length=2, max_length=2)]
    difference: bool


class _Value(Checked):
    variant: Text
    seed: Count
    measure: Name
    condition: Text
    value: Finite | None


class _PictureFile(Checked):
    variant: Text
    seed: Count
    file: Text
    caption: Text
    still: Text
    scale: Annotated[float, Field(gt=0, le=100)]


class _Record(Checked):
    format: Literal["gan-zoo study 1"]
    study: Name
    title: Text
    question: Text
    reading: Text
    source: Text
    measures: list[_Measure]
    values: list[_Value]
    pictures: list[_PictureFile]
    settings: dict[str, Any]
    provenance: dict[str, Any]
    notes: list[Text]


def write_record(folder: Path, record: Record) -> Path:
    """Write the record of a study as ``NAME.json`` of a folder; returns its path.

    Raises:
        StorageError: the folder cannot be written to.
    """
    path = folder / f"{record.study}.json"
    content = {"format": FORMAT, **asdict(record)}
    for value in content["values"]:
        # JSON has no NaN.
        value["value"] = value["value"] if abs(value["value"]) < float("inf") else None
    atomic_write(path, json.dumps(content, indent=1) + "\n")
    return path


def merged(folder: Path, record: Record) -> Record:
    """A record with the values and pictures of other runs from the one in a folder, if that has the same settings."""
    try:
        before = read_record(folder / f"{record.study}.json")
    except GanZooError:
        return record
    if (before.settings, before.measures) != (json.loads(json.dumps(record.settings)), list(record.measures)):
        return record
    own = {(value.variant, value.seed) for value in record.values}
    drawn = {picture.variant for picture in record.pictures}
    return replace(
        record,
        values=[value for value in before.values if (value.variant, value.seed) not in own] + list(record.values),
        pictures=[picture for picture in before.pictures if picture.variant not in drawn] + list(record.pictures),
        notes=list(dict.fromkeys([*before.notes, *record.notes])),
    )


def read_record(path: Path) -> Record:
    """The record of a study.

    Raises:
        DamagedFileError: the file is no record of a study, or names a file outside of its folder.
    """
    fix = "delete it, or run the study again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged ({one_line(error)}); {fix}") from None
    wrong = fault(_Record, content) if isinstance(content, dict) else "it is no object of JSON"
    if not wrong and content["study"] != path.stem:
        wrong = f"key 'study' is {content['study']!r}, not the name of the file"
    if wrong:
        raise DamagedFileError(f"{path}: {wrong}; {fix}")
    keys = ("study", "title", "question", "reading", "source", "settings", "provenance", "notes")
    found = Record(
        **{key: content[key] for key in keys},
        measures=[_of(Measure, each, bounds=tuple(each["bounds"])) for each in content["measures"]],
        values=[
            _of(Value, each, value=float("nan") if each["value"] is None else each["value"])
            for each in content["values"]
        ],
        pictures=[_of(PictureFile, each) for each in content["pictures"]],
    )
    for picture in found.pictures:
        for file in filter(None, [picture.file, picture.still]):
            inside(path.parent, file)
    return found


def _of(kind: Any, content: Mapping[str, Any], **replaced: Any) -> Any:
    """A dataclass from an object of JSON, which may have further keys."""
    return kind(**{name: content[name] for name in kind.__dataclass_fields__ if name in content} | replaced)


def readable(folder: Path, file: str) -> bool:
    """Whether a picture is a regular file of a size that a page can have."""
    path = inside(folder, file)
    return path.is_file() and path.stat().st_size <= _LARGEST_PICTURE


@dataclass(frozen=True)
class Summary:
    """A measure of one variant over its seeds.

    Attributes:
        conditions: estimate by condition, the subject first.
        differences: subject minus baseline by baseline, paired by seed.
    """

    variant: str
    measure: Measure
    conditions: dict[str, Estimate]
    differences: dict[str, Estimate]


def summarize(record: Record) -> list[Summary]:
    """The measures of each variant over its seeds: means with 95% intervals (Student's t)."""
    found = []
    for measure in record.measures:
        mine = [value for value in record.values if value.measure == measure.name]
        for variant in dict.fromkeys(value.variant for value in mine):
            by_condition: dict[str, dict[int, float]] = {}
            for value in mine:
                if value.variant == variant:
                    by_condition.setdefault(value.condition, {})[value.seed] = value.value
            found.append(_summary(variant, measure, by_condition))
    return found


def _summary(variant: str, measure: Measure, by_condition: Mapping[str, Mapping[int, float]]) -> Summary:
    subject = next(iter(by_condition.values()))
    differences = {
        condition: t_interval(subject[seed] - seeds[seed] for seed in subject if seed in seeds)
        for condition, seeds in list(by_condition.items())[1:]
        if measure.difference
    }
    conditions = {name: _clipped(t_interval(seeds.values()), measure) for name, seeds in by_condition.items()}
    return Summary(variant, measure, conditions, differences)


def _clipped(estimate: Estimate, measure: Measure) -> Estimate:
    low, high = measure.bounds
    return Estimate(
        estimate.mean,
        # In this order NaN, the bounds of a single seed, stays NaN.
        estimate.low if low is None else max(estimate.low, low),
        estimate.high if high is None else min(estimate.high, high),
        estimate.seeds,
        estimate.method,
    )
