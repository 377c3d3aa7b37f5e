"""Trained GANs to study: both networks of a run, with its data and extractor."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_zoo import data as data_sets
from gan_zoo.bench.folder import read_folder
from gan_zoo.bench.records import CHECKPOINTS, MANIFEST, RunRecord, checkpoint_path
from gan_zoo.data import Dataset
from gan_zoo.device import derive, pick, prepare
from gan_zoo.engine import Run, Sampler, checkpoint
from gan_zoo.engine.state import build_networks
from gan_zoo.errors import GanZooError, check_known, shown
from gan_zoo.io import with_home
from gan_zoo.metrics.extractors import OWN, load_extractor
from gan_zoo.metrics.features import Extractor, ExtractorUnavailable
from gan_zoo.options import DataOptions
from gan_zoo.variant import Networks, Variant

Source = Run | Path | str
"""What can be studied: a run from Python, a checkpoint file, or a results folder with checkpoints."""


class NotApplicable(GanZooError):
    """A study has no answer for this run, e.g. points where it needs images."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained generator and its discriminator, in evaluation mode and without gradients of their parameters.

    Attributes:
        name: of the variant in tables.
        seed: of the training run.
        sampler: of the generator, of its moving average if there is one.
        discriminator: the discriminator.
        shape: of a sample, (C, H, W) or (D,).
        data_name, data_options: the data set that it was trained on.
        precision: of the training.
        steps: training steps of the run.
        record: the records of the run, if it is of a results folder.
        folder: the results folder.
        data_root: folder of the data files, None: the default.
        device: of the networks.
    """

    name: str
    seed: int
    sampler: Sampler
    discriminator: nn.Module
    shape: tuple[int, ...]
    data_name: str
    data_options: DataOptions
    precision: str
    steps: int = 0
    record: RunRecord | None = None
    folder: Path | None = None
    data_root: Path | None = None
    device: torch.device

    @property
    def variant(self) -> Variant:
        """The variant, with the options that it was trained with."""
        return self.sampler.variant

    @property
    def classes(self) -> int:
        """Classes of the data set."""
        return self.sampler.classes

    @property
    def is_images(self) -> bool:
        """Whether its samples are images, not points."""
        return len(self.shape) == 3

    def load_data(self, name: str | None = None, side: int | None = None) -> Dataset:
        """The data set that it was trained on, or another one, at the side of its images or another one.

        Another one has the channels of its images. The set is loaded once in a process.

        Raises:
            GanZooError: data that is not available.
        """
        options = self.data_options
        if name is not None:
            options = DataOptions(channels=self.shape[0] if self.is_images else None)
        side = side or (self.shape[1] if self.is_images else self.variant.image_side)
        return _load_data(name or self.data_name, side, self.data_root, self.device, options)

    def load_extractor(self) -> Extractor:
        """The default extractor of the data set; it takes images of any side.

        Raises:
            NotApplicable: the data set has none on this machine, e.g. images without labels.
        """
        try:
            return _load_extractor(self.data_name, self.data_root, self.device, self.data_options)
        except ExtractorUnavailable as error:
            raise NotApplicable(f"{self.name}: no extractor: {error}") from error

    def untrained(self) -> Networks:
        """Networks of the same variant with the initial weights that the run's seed gives, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            # As the engine draws them.
            torch.default_generator.manual_seed(derive(self.seed, "weights"))
            networks = build_networks(self.variant, self.shape, self.classes)
        return Networks(*(network.to(self.device).eval().requires_grad_(False) for network in networks))


@lru_cache(maxsize=6)
def _load_data(name: str, side: int, root: Path | None, device: torch.device, options: DataOptions) -> Dataset:
    return data_sets.load(name, side=side, root=root, device=device, **vars(options))


@lru_cache(maxsize=2)
def _load_extractor(name: str, root: Path | None, device: torch.device, options: DataOptions) -> Extractor:
    return load_extractor(OWN, device=device, dataset=_load_data(name, 32, root, device, options))


def find_trained(
    source: Source,
    *,
    variants: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    data_root: Path | None = None,
    device: str | None = None,
    first_seed: bool = False,
) -> list[Trained]:
    """The trained GANs of a source, in the order of its manifest.

    Args:
        source: a run, a checkpoint file, or a results folder with the checkpoints of one or more runs.
        variants, seeds: of a results folder, those to take; by default all.
        data_root: folder of the data files.
        first_seed: of a results folder, only the first seed of each variant.
        device: of the networks; by default CUDA if there is one, else of a run its own, else the CPU.

    Raises:
        GanZooError: a missing or damaged file, a folder without checkpoints, or no such variant or seed in it.
    """
    if isinstance(source, Run):
        return [_of_run(source, data_root)]
    if not isinstance(source, (str, Path)):
        raise GanZooError(f"{shown(source)} cannot be studied; give a run, a checkpoint file or a results folder")
    path = with_home(source, "run")
    chosen = pick(device)
    prepare(chosen.type)
    if not path.is_dir():
        return [_of_checkpoint(path, data_root, chosen)]
    if not (path / MANIFEST).is_file():
        raise GanZooError(f"{str(path)!r} is not a results folder: it has no {MANIFEST}; name one, or a checkpoint")
    return _of_folder(path, variants, seeds, data_root, chosen, first_seed=first_seed)


def _of_folder(
    folder: Path,
    variants: Sequence[str] | None,
    seeds: Sequence[int] | None,
    data_root: Path | None,
    device: torch.device,
    *,
    first_seed: bool,
) -> list[Trained]:
    manifest, records = read_folder(folder)
    for chosen in variants or []:
        check_known(f"variant of {folder}", chosen, manifest["variants"])
    found: list[Trained] = []
    for record in records:
        name, seed = record.begin.get("variant"), record.begin.get("seed")
        path = checkpoint_path(folder, record.name)
        is_chosen = (not variants or name in variants) and (not seeds or seed in seeds)
        is_chosen = is_chosen and not (first_seed and any(each.name == name for each in found))
        if is_chosen and path.is_file() and record.status in ("ok", "collapsed"):
            found.append(_of_checkpoint(path, data_root, device, name=str(name), record=record, folder=folder))
    if not found:
        raise GanZooError(
            f"{str(folder)!r} has no checkpoint of such a finished run in {CHECKPOINTS}; train it there with "
            "`gan-zoo bench`, or name another folder"
        )
    return found


def _of_checkpoint(
    path: Path,
    data_root: Path | None,
    device: torch.device,
    *,
    name: str = "",
    record: RunRecord | None = None,
    folder: Path | None = None,
) -> Trained:
    saved = checkpoint.load(path)
    facts = saved.facts
    generator, discriminator = saved.networks(device)
    weights = "ema" if saved.variant.ema else "raw"
    stored: dict[str, Any] = {**facts.get("data_options", {}), "channels": saved.channels}
    return Trained(
        name=name or saved.variant.name,
        seed=facts["seed"],
        sampler=Sampler(saved.variant, generator.requires_grad_(False), facts["classes"], weights),
        discriminator=discriminator.requires_grad_(False),
        shape=tuple(facts["shape"]),
        data_name=saved.data_name,
        data_options=DataOptions(**stored),
        precision=facts["precision"],
        steps=facts["counts"]["rounds"],
        record=record,
        folder=folder,
        data_root=data_root,
        device=device,
    )


def _of_run(run: Run, data_root: Path | None) -> Trained:
    state = run.state
    generator, discriminator = (
        copy.deepcopy(network).eval().requires_grad_(False)
        for network in (run.sampler.generator, state.networks.discriminator)
    )
    return Trained(
        name=state.variant.display_name or state.variant.title,
        seed=state.seed,
        sampler=replace(run.sampler, generator=generator),
        discriminator=discriminator,
        shape=tuple(state.data.shape),
        data_name=state.data_name if data_sets.is_known(state.data_name) else state.data_requested,
        data_options=state.data_options,
        precision=state.precision,
        steps=state.iterations,
        data_root=data_root,
        device=state.device,
    )
