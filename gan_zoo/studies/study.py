"""A study: a function that gives the numbers and pictures of one trained GAN, applied to all of a source."""

import html
import inspect
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from gan_zoo import text
from gan_zoo.bench.identity import provenance
from gan_zoo.bench.records import now
from gan_zoo.engine import Run
from gan_zoo.errors import GanZooError, check_known
from gan_zoo.io import atomic_write, check_encoding
from gan_zoo.studies.records import Measure, PictureFile, Record, Value, merged, summarize, write_record
from gan_zoo.studies.trained import NotApplicable, Source, Trained, find_trained

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Picture:
    """A picture of one trained GAN.

    Attributes:
        name: part of its file's name.
        caption: at most 25 words: what is drawn, over what.
        image: the picture; of an animation what shows the same without motion.
        frames: the frames of an animation, all of one size; empty for none.
        milliseconds: a frame is shown.
        scale: CSS pixels a pixel.
    """

    name: str
    caption: str
    image: Image.Image
    frames: Sequence[Image.Image] = ()
    milliseconds: int = 120
    scale: float = 1.0


@dataclass(frozen=True)
class Studied:
    """What a study found in one trained GAN.

    Attributes:
        values: measure, condition and value; the first condition of a measure is the subject, the others baselines.
        draw: makes the pictures; it is called only where they are shown.
        notes: what a reader must know.
    """

    values: Sequence[tuple[str, str, float]]
    draw: Callable[[], Sequence[Picture]] = tuple
    notes: Sequence[str] = ()


@dataclass(frozen=True, repr=False)
class StudyResult:
    """The record of a study, and its pictures by their path in it."""

    record: Record
    images: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each value: variant, seed, measure, condition, value."""
        import pandas as pd

        return pd.DataFrame([vars(value) for value in self.record.values])

    @property
    def summary(self) -> "pd.DataFrame":
        """A row for each variant, measure and condition: mean, 95% interval and seeds; and the subject's difference."""
        import pandas as pd

        rows = []
        for found in summarize(self.record):
            for condition, estimate in found.conditions.items():
                apart = found.differences.get(condition)
                facts = {"variant": found.variant, "measure": found.measure.name, "condition": condition}
                own = {name: getattr(estimate, name) for name in ("mean", "low", "high", "seeds")}
                names = ("mean", "low", "high")
                rows.append(facts | own | {f"difference_{name}": getattr(apart, name, None) for name in names})
        return pd.DataFrame(rows)

    def save(self, folder: Path | str) -> Path:
        """Write ``NAME.json`` and the pictures into a folder; returns the path of the record.

        Other runs of an earlier record with the same settings stay in it.

        Raises:
            StorageError: the folder cannot be written to.
        """
        folder = Path(folder)
        check_encoding(folder)
        for file, content in self.images.items():
            atomic_write(folder / file, content)
        return write_record(folder, merged(folder, self.record))

    def show(self) -> Image.Image | None:
        """The first picture, which a notebook displays."""
        found = next(iter(self.images.values()), None)
        return None if found is None else Image.open(io.BytesIO(found))

    def __repr__(self) -> str:
        found = [
            f"{each.variant} {each.measure.title} {condition} {text.estimate(value.mean, value.low, value.high)}"
            for each in summarize(self.record)
            for condition, value in each.conditions.items()
        ]
        return f"StudyResult({self.record.study}: {'; '.join(found)})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.record.question)}</p>{self.summary.to_html(index=False)}"


@dataclass(frozen=True)
class Study:
    """A study: what it asks, and the function that answers it for one trained GAN.

    Call it with a run, a checkpoint file or a results folder: ``gan_zoo.studies.walk("runs/mnist-quick")``.
    """

    name: str
    title: str
    question: str
    reading: str
    source: str
    measures: Sequence[Measure]
    function: Callable[..., Studied]

    @property
    def options(self) -> dict[str, Any]:
        """Its options and their default values."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def __call__(
        self,
        source: Source | Sequence[Trained],
        *,
        variants: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        data_root: Path | None = None,
        device: str | None = None,
        on_run: Callable[[Trained, int, int], None] = lambda _trained, _place, _all: None,
        **options: Any,
    ) -> StudyResult:
        """Study every trained GAN of a source; pictures are those of each variant's first seed.

        Args:
            source: a run, a checkpoint file, a results folder, or what ``find_trained`` found.
            variants, seeds, data_root, device: as of ``find_trained``.
            on_run: called before each trained GAN with its place and the number of all.
            options: of the study.

        Raises:
            GanZooError: as ``find_trained``, or an option that the study does not have or that does not fit.
            NotApplicable: the study has no answer for any of them.
        """
        for option in options:
            check_known(f"option of study {self.name!r}:", option, list(self.options))
        if isinstance(source, (Run, Path, str)):
            source = find_trained(source, variants=variants, seeds=seeds, data_root=data_root, device=device)
        return self._study(source, options, on_run)

    def _study(
        self, trained: Sequence[Trained], options: Mapping[str, Any], on_run: Callable[[Trained, int, int], None]
    ) -> StudyResult:
        begun = time.perf_counter()
        values: list[Value] = []
        pictures: list[PictureFile] = []
        images: dict[str, bytes] = {}
        notes: dict[str, None] = {}
        left_out: list[NotApplicable] = []
        for place, each in enumerate(trained):
            on_run(each, place, len(trained))
            try:
                found = self.function(each, **options)
                is_first = all(picture.variant != each.name for picture in pictures)
                drawn = found.draw() if is_first else ()
            except NotApplicable as error:
                left_out.append(error)
                notes[str(error)] = None
                continue
            values += [Value(each.name, each.seed, *row) for row in found.values]
            notes |= dict.fromkeys(found.notes)
            pictures += [_encode(self.name, each, picture, images) for picture in drawn]
        if left_out and not values:
            raise left_out[0]
        record = Record(
            study=self.name,
            title=self.title,
            question=self.question,
            reading=self.reading,
            source=self.source,
            measures=self.measures,
            values=values,
            pictures=pictures,
            settings={**self.options, **options},
            provenance={
                **provenance(trained[0].device),
                "data": trained[0].data_name,
                "extractor": trained[0].load_data().extractor,
                "seconds": round(time.perf_counter() - begun, 1),
                "date": now(),
            },
            notes=list(notes),
        )
        return StudyResult(record, images)


def study(
    *, name: str, title: str, question: str, reading: str, source: str, measures: Sequence[Measure]
) -> Callable[[Callable[..., Studied]], Study]:
    """Make the decorated function of a ``Trained`` and options a study.

    Args:
        name: its name on the command line.
        title: heading.
        question: the question that it answers, one sentence.
        reading: how the numbers are read, and what limits them.
        source: paper and section.
        measures: the numbers that it gives.
    """

    def decorate(function: Callable[..., Studied]) -> Study:
        return Study(name, title, question, reading, source, tuple(measures), function)

    return decorate


def _encode(study_name: str, trained: Trained, picture: Picture, images: dict[str, bytes]) -> PictureFile:
    """The row of a picture; its files are added to ``images``."""
    stem = f"{study_name}/{trained.name}-seed{trained.seed}-{picture.name}"
    images[f"{stem}.png"] = _png(picture.image)
    animated = ""
    if picture.frames:
        animated = f"{stem}.webp"
        images[animated] = _webp(picture)
    file, still = (animated, f"{stem}.png") if animated else (f"{stem}.png", "")
    return PictureFile(trained.name, trained.seed, file, picture.caption, still, picture.scale)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _webp(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    first, *others = picture.frames
    first.save(
        buffer,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=picture.milliseconds,
        loop=0,
        lossless=True,
        method=6,
    )
    return buffer.getvalue()


def check_positive(name: str, value: Any, most: int = 1_000_000) -> None:
    """Raise GanZooError unless an option of a study is a whole number from 1 to ``most``."""
    if type(value) is not int or not 1 <= value <= most:
        raise GanZooError(f"option {name} is {value!r}; it must be a whole number from 1 to {most:,}")
