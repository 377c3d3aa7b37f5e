"""From a suite to the grid of cells that it asks for, each with the identity of all that decides its numbers."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench.evaluation import Evaluator
from gan_zoo.bench.source import digest, numeric_code
from gan_zoo.bench.suite import Preset, Suite
from gan_zoo.data import Dataset
from gan_zoo.description import describe
from gan_zoo.engine import Budget
from gan_zoo.engine.device import cores, pick, prepare
from gan_zoo.errors import GanZooError, unknown
from gan_zoo.metrics import Extractor, ExtractorUnavailable, load_extractor
from gan_zoo.metrics.extractors import EXTRACTORS
from gan_zoo.precision import EXACT
from gan_zoo.variant import Variant

FLOOR = "real"
EVALUATION_SIDE = 32
_PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Recipe:
    """All that a plan is made from: a suite and what the caller says beside it; None leaves the suite's word.

    Attributes:
        plugins: files that register variants.
        threads: CPU threads a cell.
        jobs: cells trained side by side, each in a process of its own.
        download: whether missing data may be downloaded.
    """

    suite: Suite
    preset: str = "auto"
    variants: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    plugins: Sequence[Path] = ()
    data_root: Path | None = None
    fallback: str | None = None
    inception_weights: Path | None = None
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    jobs: int | None = None
    download: bool = True


@dataclass(frozen=True)
class Plan:
    """A suite made concrete: data, variants, seeds, measures and device."""

    recipe: Recipe
    preset_name: str
    preset: Preset
    device: torch.device
    precision: str
    threads: int
    jobs: int
    variants: tuple[Variant, ...]
    departures: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    budget: Budget
    data: Mapping[int, Dataset]
    extractors: tuple[Extractor, ...]
    notices: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> Dataset:
        """The data set at the side at which everything is measured."""
        return self.data[EVALUATION_SIDE]

    def evaluator(self) -> Evaluator:
        """What measures this plan's cells."""
        measured = self.measured
        return Evaluator(
            measured.train, measured.test, self.extractors, self.preset.n, fingerprint=measured.fingerprint
        )

    def cells(self) -> list["CellPlan"]:
        """All cells in the order of the tables: the floor's, then seed by seed."""
        floor = [CellPlan(FLOOR, None, seed, self._identity(None, seed)) for seed in self.seeds]
        grid = [(seed, variant) for seed in self.seeds for variant in self.variants]
        return floor + [CellPlan(v.name, v, seed, self._identity(v, seed)) for seed, v in grid]

    def _identity(self, variant: Variant | None, seed: int) -> dict[str, Any]:
        trained: dict[str, Any] = {}
        if variant is not None:
            trained = {
                "variant": describe(variant),
                "sources": digest(registry.sources(variant.name)),
                "budget": str(self.budget),
                "evaluate_at": self.preset.evaluate_at,
                "data": self.data[variant.image_side].fingerprint,
            }
        return trained | {
            "seed": seed,
            "n": self.preset.n,
            "measured_data": self.measured.fingerprint,
            "extractors": {extractor.name: extractor.digest for extractor in self.extractors},
            "code": numeric_code(),
            "precision": self.precision,
            "matmul": torch.get_float32_matmul_precision(),
            "stack": 1,
            "threads": self.threads if self.device.type == "cpu" else None,
            "device": self.device.type,
            "versions": dict(self.versions),
        }


@dataclass(frozen=True)
class CellPlan:
    """One cell: a variant (None for the floor) and a seed, and the identity of all that decides its numbers."""

    variant_name: str
    variant: Variant | None
    seed: int
    identity: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The cell's name, ending in the first 8 digits of its identity's SHA-256."""
        text = json.dumps(self.identity, sort_keys=True)
        return f"{self.variant_name}-seed{self.seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def make_plan(recipe: Recipe) -> Plan:
    """Resolve a recipe: load plugins, data and extractors, make the variants, and set this process up for its device.

    By default a CPU trains as many cells side by side as it has cores, each with one thread, and CUDA one after
    another. An extractor that is not to be had, or needs more images than the preset measures, is left out with a
    notice.

    Raises:
        GanZooError: an unknown preset, variant, option, data set or extractor, data that cannot be had, or no extractor
            left.
    """
    suite, device = recipe.suite, pick(recipe.device)
    for plugin in recipe.plugins:
        registry.load_plugin(plugin)
    preset_name = recipe.preset
    if preset_name == "auto":
        preset_name = "full" if device.type == "cuda" else "quick"
    preset = suite.preset(preset_name)
    threads = recipe.threads or 1
    if device.type == "cpu":
        torch.set_num_threads(threads)
    precision = recipe.precision or preset.precision
    prepare(device.type, precision)
    chosen = recipe.variants or preset.variants or suite.variants
    if repeated := sorted({name for name in chosen if list(chosen).count(name) > 1}):
        raise GanZooError(f"variants are named twice: {', '.join(repeated)}; name each once")
    _check_names(suite, preset_name, preset)
    variants = tuple(_variant(name, preset) for name in chosen)
    data = {
        side: data_sets.load(
            suite.data,
            side=side,
            channels=suite.channels,
            root=recipe.data_root,
            download=recipe.download,
            fallback=recipe.fallback,
            device=device,
        )
        for side in sorted({EVALUATION_SIDE, *(variant.image_side for variant in variants)})
    }
    measured = data[EVALUATION_SIDE]
    wanted = list(preset.extractors or suite.extractors)
    if measured.name != suite.data:
        wanted = [measured.extractor, *(name for name in wanted if name == "inception")]
    if recipe.inception_weights is not None and "inception" not in wanted:
        wanted.append("inception")
    n = min(preset.n, len(measured.test), len(measured.train))
    extractors, notices = _extractors(wanted, n, device, recipe.inception_weights)
    if n < preset.n:
        notices.append(f"N is {n}, not {preset.n}: the test split of {measured.name} has no more images")
    return Plan(
        recipe=recipe,
        preset_name=preset_name,
        preset=preset.model_copy(update={"n": n}),
        device=device,
        precision=precision,
        threads=threads,
        jobs=recipe.jobs or (max(1, cores() // threads) if device.type == "cpu" else 1),
        variants=variants,
        departures={name: tuple(_departures(name, preset, suite, precision)) for name in chosen},
        seeds=tuple(recipe.seeds or preset.seed_list),
        budget=Budget.of(preset.budget),
        data=data,
        extractors=extractors,
        notices=tuple(notices),
        versions={package: importlib.metadata.version(package) for package in _PACKAGES},
    )


def _check_names(suite: Suite, preset_name: str, preset: Preset) -> None:
    """Check the names and options that the suite's file gives, so that a wrong one is shown with its file and key."""
    known = {"data set": data_sets.names(), "variant": registry.names(), "extractor": list(EXTRACTORS)}
    named = [("data set", "data", [suite.data]), ("variant", f"presets.{preset_name}.options", list(preset.options))]
    for prefix, table in (("", suite), (f"presets.{preset_name}.", preset)):
        named.append(("variant", f"{prefix}variants", list(table.variants or [])))
        named.append(("extractor", f"{prefix}extractors", list(table.extractors or [])))
    for kind, key, names in named:
        for name in names:
            if name not in known[kind]:
                raise GanZooError(f"{suite.file}: key {key!r}: {unknown(kind, name, known[kind])}")
    for name in preset.options:
        try:
            _variant(name, preset)
        except GanZooError as error:
            raise GanZooError(f"{suite.file}: key 'presets.{preset_name}.options.{name}': {error}") from None


def _options(name: str, preset: Preset) -> dict[str, Any]:
    shared = {} if preset.batch_size is None else {"batch_size": preset.batch_size}
    return shared | preset.options.get(name, {})


def _variant(name: str, preset: Preset) -> Variant:
    return registry.get(name, **_options(name, preset))


def _departures(name: str, preset: Preset, suite: Suite, precision: str) -> Iterable[str]:
    """How the preset departs from the variant as it is registered, and from the suite's full budget."""
    own = registry.get(name)
    defaults = registry.hyperparameters(name)
    for option, value in _options(name, preset).items():
        default = defaults.get(option, getattr(own, option, None))
        if str(value) != str(default):
            yield f"{option} {value}, not {default}"
    full = suite.presets.get("full", preset).budget
    if Budget.of(full) != Budget.of(preset.budget):
        yield f"budget {Budget.of(preset.budget)}, not {Budget.of(full)}"
    if precision != EXACT:
        yield f"precision {precision}, not {EXACT}"


def _extractors(
    names: Sequence[str], n: int, device: torch.device, weights: Path | None
) -> tuple[tuple[Extractor, ...], list[str]]:
    extractors, notices = [], []
    for name in dict.fromkeys(names):
        try:
            extractor = load_extractor(name, device=device, inception_weights=weights)
        except ExtractorUnavailable as error:
            notices.append(str(error))
            continue
        if n < extractor.minimum_n:
            notices.append(f"{name} is left out: its figures need N of at least {extractor.minimum_n}, and N is {n}")
            continue
        extractors.append(extractor)
    if not extractors:
        raise GanZooError(f"no extractor is left to measure with: {'; '.join(notices)}")
    return tuple(extractors), notices
