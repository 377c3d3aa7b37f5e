"""The studies of a results folder: their section of the report, and a page in Markdown of each."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from gan_zoo import text
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write, inside
from gan_zoo.report.tables import Cell, Table
from gan_zoo.statistics import Estimate
from gan_zoo.studies import STUDIES
from gan_zoo.studies.records import FOLDER, Measure, PictureFile, Record, Summary, read_record, readable, summarize

_MIME = {".png": "image/png", ".webp": "image/webp"}
_ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True)
class MeasureTable:
    """The table of one measure: a row a variant, a column a condition, and the differences from the baselines."""

    title: str
    meaning: str
    table: Table


@dataclass(frozen=True)
class Shown:
    """A picture in the page: what it shows, its data URI and size in CSS pixels."""

    picture: PictureFile
    uri: str
    still: str
    width: int
    height: int
    pixelated: bool


@dataclass(frozen=True)
class Section:
    """A study in the page, its pictures by variant."""

    record: Record
    tables: Sequence[MeasureTable]
    facts: str
    pictures: Sequence[tuple[str, Sequence[Shown]]]


def sections(folder: Path) -> tuple[list[Section], list[str]]:
    """The studies of a results folder in their order, and a line for each that cannot be read."""
    found: list[Section] = []
    lost: list[str] = []
    for name in STUDIES:
        path = folder / FOLDER / f"{name}.json"
        if not path.is_file():
            continue
        try:
            record = read_record(path)
        except GanZooError as error:
            lost.append(f"study {name} is left out: {error}")
            continue
        found.append(_section(path.parent, record))
    return found, lost


def _section(folder: Path, record: Record) -> Section:
    shown = [picture for each in record.pictures if (picture := _shown(folder, each)) is not None]
    by_variant: dict[str, list[Shown]] = {}
    for picture in shown:
        by_variant.setdefault(picture.picture.variant, []).append(picture)
    return Section(record, measure_tables(record), facts(record), list(by_variant.items()))


def _shown(folder: Path, picture: PictureFile) -> Shown | None:
    """A picture as the page has it; None if a file of it cannot be read."""
    path = inside(folder, picture.file)
    try:
        if not readable(folder, picture.file):
            return None
        with Image.open(path, formats=["PNG", "WEBP"]) as image:
            width, height = image.size
        still = data_uri(inside(folder, picture.still)) if picture.still and readable(folder, picture.still) else ""
        uri = data_uri(path)
    except Exception:  # Decoders of damaged bytes raise errors of any kind.
        return None
    scale = picture.scale
    return Shown(picture, uri, still, round(width * scale), round(height * scale), pixelated=scale >= 1)


def data_uri(path: Path) -> str:
    """The file of a picture as a data URI, so that a page needs no other file."""
    return f"data:{_MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def measure_tables(record: Record) -> list[MeasureTable]:
    """A table for each measure of a study."""
    summaries = summarize(record)
    found = []
    for measure in record.measures:
        mine = [each for each in summaries if each.measure == measure]
        if mine:
            found.append(MeasureTable(titled(measure), measure.meaning, _table(measure, mine)))
    return found


def titled(measure: Measure) -> str:
    """The title of a measure with the direction that is better."""
    return f"{measure.title} {_ARROWS[measure.better]}".strip()


def condition_table(summaries: Sequence[Summary]) -> dict[str, list[str]]:
    """Columns of one measure with a row for each variant and condition: narrow enough for a terminal."""
    rows = [(each, condition) for each in summaries for condition in each.conditions]
    columns = {
        "variant": [each.variant if condition == next(iter(each.conditions)) else "" for each, condition in rows],
        "condition": [condition for _, condition in rows],
        "mean": [" ".join(_cell(each.conditions[condition])).strip() for each, condition in rows],
    }
    if summaries[0].measure.difference:
        columns["first minus it"] = [" ".join(_cell(each.differences.get(condition))) for each, condition in rows]
    return columns


def _table(measure: Measure, summaries: Sequence[Summary]) -> Table:
    conditions = list(dict.fromkeys(condition for each in summaries for condition in each.conditions))
    columns: dict[str, list[Cell]] = {"variant": [each.variant for each in summaries]}
    for condition in conditions:
        columns[condition] = [_cell(each.conditions.get(condition)) for each in summaries]
    if measure.difference:
        for condition in conditions[1:]:
            columns[f"minus {condition}"] = [_cell(each.differences.get(condition)) for each in summaries]
    return Table.of(columns)


def _cell(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return text.NOTHING, ""
    # Equal seeds, e.g. a baseline that no run has a part in.
    is_constant = estimate.low == estimate.high
    return text.number(estimate.mean), "" if is_constant else text.interval(estimate.low, estimate.high)


def facts(record: Record) -> str:
    """How a study was made: seeds, data, extractor, options, device."""
    seeds = {value.seed for value in record.values}
    options = ", ".join(f"{name} {value}" for name, value in record.settings.items() if value is not None)
    made = record.provenance
    several = ": mean and 95% interval (t); minus: the first condition minus this one, paired by seed"
    parts = [
        f"{text.plural(len(seeds), 'seed')} a variant{several if len(seeds) > 1 else ''}",
        f"data {made['data']}" if made.get("data") else "",
        f"default extractor {made['extractor']}" if made.get("extractor") else "",
        options,
        str(made.get("device", "")),
        f"commit {made['git_commit']}" if made.get("git_commit") else "",
    ]
    return "; ".join(filter(None, parts))


def write_page(folder: Path, record: Record) -> Path:
    """Write a study as ``NAME.md`` beside its record; returns the path.

    Raises:
        StorageError: the folder cannot be written to.
    """
    lines = [f"# {text.markdown(record.title)}", text.markdown(record.question)]
    lines += [f"> {text.markdown(note)}" for note in record.notes]
    for each in measure_tables(record):
        lines += [f"**{text.markdown(each.title)}.** {text.markdown(each.meaning)}", each.table.markdown()]
    lines += [text.markdown(f"{record.reading} Source: {record.source}."), text.markdown(facts(record))]
    for picture in record.pictures:
        what = f"{picture.variant}, seed {picture.seed}: {picture.caption}"
        alt = html.escape(text.visible(what))
        image = f'<img src="{quote(picture.file)}" alt="{alt}"{_css_width(folder, picture)}>'
        lines += [f"{text.markdown(what)}<br>{image}"]
    if command := record.provenance.get("command"):
        lines += [f"Command: `{command}`"]
    path = folder / f"{record.study}.md"
    atomic_write(path, "\n\n".join(lines) + "\n")
    return path


def _css_width(folder: Path, picture: PictureFile) -> str:
    try:
        with Image.open(inside(folder, picture.file)) as image:
            return f' width="{round(image.width * picture.scale)}"'
    except OSError:
        return ""
