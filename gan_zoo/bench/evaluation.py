"""Measures of a generator, or of any images, against a data set: by themselves, without a results folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench.plan import EVALUATION_SIDE
from gan_zoo.bench.records import MANIFEST
from gan_zoo.bench.train import NUM_SAMPLES, checkpoint_in
from gan_zoo.data import Dataset
from gan_zoo.device import pick, prepare
from gan_zoo.engine import Sampler, checkpoint
from gan_zoo.errors import GanZooError, shown
from gan_zoo.io import with_home
from gan_zoo.metrics.evaluator import Evaluator
from gan_zoo.metrics.extractors import OWN, load_extractor, resolve
from gan_zoo.metrics.features import LEAST_N
from gan_zoo.metrics.foreign import ForeignImages, find_images
from gan_zoo.metrics.mixture import COUNTED, PointEvaluator
from gan_zoo.metrics.registry import METRICS
from gan_zoo.options import FLOOR, are_seeds

if TYPE_CHECKING:
    import pandas as pd

Source = Sampler | Tensor | np.ndarray[Any, Any] | Path | str
"""What can be measured."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How something is measured.

    Attributes:
        num_samples: images that are measured, as many as of the reference; by default 2,000, or as many as there are.
        seed: of the generator's samples, and of the real images beside them.
        extractors: names; by default the data set's default extractor.
        channels: 1 or 3; by default those of the checkpoint, or the data set's own.
        test_share: of ``folder:PATH``, the share of each class that is the reference, 0: the whole set; by default that
            of the checkpoint, or 0.1.
        data_root, inception_weights, device: as of ``gan_zoo.options.RunOptions``.
    """

    num_samples: int | None = None
    seed: int = 0
    extractors: Sequence[str] | None = None
    channels: int | None = None
    test_share: float | None = None
    data_root: Path | None = None
    inception_weights: Path | None = None
    device: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        data: the data set.
        rows: a row for each extractor, of the samples and then of real ones: name, extractor, num_samples, reference,
            and the values by metric.
        notes: what a reader must know, e.g. the metrics that are left out.
    """

    data: Dataset
    rows: list[dict[str, Any]]
    notes: tuple[str, ...]

    def records(self) -> list[dict[str, Any]]:
        """The rows with a key for each value, metrics in the order of tables."""
        measured = {name for row in self.rows for name in row["values"]}
        names = [name for name in METRICS if name in measured]
        facts = ("samples", "extractor", "num_samples", "reference")
        return [
            {key: row[key] for key in facts} | {name: row["values"].get(name) for name in names} for row in self.rows
        ]

    def table(self) -> "pd.DataFrame":
        """The records as a table, a row for each."""
        import pandas as pd

        return pd.DataFrame(self.records()).set_index("samples")


def evaluate(source: Source, data: str | None, options: EvaluationOptions) -> Evaluation:
    """Measure samples against the test split of a data set, beside as many of its training images.

    Args:
        source: a sampler, a checkpoint or the folder of a run, or images (``gan_zoo.metrics.foreign.find_images``).
        data: a data set's name; None: that of a checkpoint, else ``mnist``.
        options: how.

    Raises:
        GanZooError: unknown names, data or weights that are not available, images that cannot be read, or more samples
            than there are.
    """
    if not isinstance(source, (Sampler, Tensor, np.ndarray, Path, str)):
        raise GanZooError(f"{shown(source)} cannot be measured; give a sampler, a path, a tensor or an array of images")
    if not are_seeds([options.seed]):
        raise GanZooError(f"seed is {shown(options.seed)}; it must be a whole number from 0 on, and at most 2^53")
    registry.names()  # Metrics of installed packages too.
    given: dict[str, Any] = {"channels": options.channels, "test_share": options.test_share}
    name = "images"
    if isinstance(source, (str, Path)):
        source = with_home(source, "samples")
        name = source.stem
        if (saved := _checkpoint(source)) is not None:
            facts = saved.facts
            stored = facts.get("data_options", {}) if data in (None, saved.data_name) else {}
            chosen = {name: value for name, value in given.items() if value is not None}
            given = {**stored, "channels": stored.get("channels") or saved.channels, **chosen}
            data = data or saved.data_name
            source = saved.sampler(pick(options.device))
    device = next(source.generator.parameters()).device if isinstance(source, Sampler) else pick(options.device)
    prepare(device.type)
    samples = source if isinstance(source, Sampler) else find_images(source)
    dataset = data_sets.load(data or "mnist", side=EVALUATION_SIDE, root=options.data_root, device=device, **given)
    if isinstance(samples, Sampler):
        name = samples.variant.display_name
    measured, real, notes = _measure(samples, dataset, options, device)
    named = [{**row, "samples": name} for row in measured] + [{**row, "samples": FLOOR} for row in real]
    return Evaluation(dataset, named, notes)


def _checkpoint(path: Path) -> checkpoint.Checkpoint | None:
    """The checkpoint at a path, or in the folder of a run; None if there are images."""
    if path.is_dir():
        return checkpoint.load(checkpoint_in(path)) if (path / MANIFEST).is_file() else None
    try:
        with safe_open(path, "pt") as file:
            is_checkpoint = "facts" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return None
    return checkpoint.load(path) if is_checkpoint else None


def _measure(
    samples: Sampler | ForeignImages, data: Dataset, options: EvaluationOptions, device: torch.device
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[str, ...]]:
    """The rows of the samples, those of real ones, and notes."""
    if data.density is not None:
        num_samples = NUM_SAMPLES if options.num_samples is None else options.num_samples
        num_samples = max(num_samples, COUNTED) if options.num_samples is None else num_samples
        if num_samples < COUNTED:
            raise GanZooError(f"num_samples is {num_samples}; modes are looked for among {COUNTED:,} points")
        if not isinstance(samples, Sampler):
            raise GanZooError(f"{samples.what} has images, and {data.name!r} is a set of points; name a checkpoint")
        points = PointEvaluator(data.density, num_samples, device)
        return points.measure(samples, options.seed), points.floor(options.seed), ()
    num_samples = _num_samples(samples, data, options)
    weights = options.inception_weights
    names = resolve(options.extractors or (OWN,), data, n=num_samples, inception_weights=weights)
    extractors = tuple(
        load_extractor(name, device=device, inception_weights=weights, dataset=data).fitting(num_samples)
        for name in names
    )
    evaluator = Evaluator(
        data.train, data.test, extractors, num_samples, fingerprint=data.fingerprint, reference=data.reference
    )
    if isinstance(samples, Sampler):
        rows = evaluator.measure(samples, options.seed)
    else:
        rows = evaluator.measure_images(samples.draw(num_samples))
    notes = [data.note, *(extractor.note for extractor in extractors)]
    return rows, evaluator.floor(options.seed), tuple(filter(None, notes))


def _num_samples(samples: Sampler | ForeignImages, data: Dataset, options: EvaluationOptions) -> int:
    """The images that are measured.

    Raises:
        GanZooError: more than there are, or too few.
    """
    most = min(len(data.test), len(data.train))
    allowed = f"the test split of {data.name!r} allows up to {most:,} images"
    if not isinstance(samples, Sampler) and len(samples) < most:
        most = len(samples)
        allowed = f"{samples.what} has {most:,} images"
    chosen = min(NUM_SAMPLES, most) if options.num_samples is None else options.num_samples
    if not LEAST_N <= chosen <= most:
        raise GanZooError(f"num_samples is {chosen}; {allowed}, and at least {LEAST_N} are needed")
    return chosen
