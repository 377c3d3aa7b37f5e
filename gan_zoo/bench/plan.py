"""From a suite to its runs, each with the identity of all that decides its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gan_zoo import data as data_sets
from gan_zoo import registry
from gan_zoo.bench import suite_variants
from gan_zoo.bench.identity import decisive, digest, machine, measurement, trajectory
from gan_zoo.bench.plan_extractors import choose_extractors
from gan_zoo.bench.records import Row, RunRecord
from gan_zoo.bench.schedule import Schedule
from gan_zoo.bench.suite import Preset, Suite, read_suite
from gan_zoo.data import Dataset
from gan_zoo.device import cores, default_threads, pick, prepare, spread, unused_gpu
from gan_zoo.engine import Budget, check
from gan_zoo.engine.parallel import Parallel, joined
from gan_zoo.engine.state import check_shares
from gan_zoo.errors import GanZooError, check_known, unknown
from gan_zoo.io import with_home
from gan_zoo.metrics import extractors as known_extractors
from gan_zoo.metrics.evaluator import Evaluator, Measuring
from gan_zoo.metrics.features import EXTRACTORS, Extractor
from gan_zoo.metrics.foreign import ForeignImages, find_images
from gan_zoo.metrics.mixture import EXTRACTOR as DENSITY
from gan_zoo.metrics.mixture import PointEvaluator
from gan_zoo.metrics.registry import FEW_IMAGES, PRIMARY
from gan_zoo.options import FLOOR, RunOptions
from gan_zoo.variant import Variant

EVALUATION_SIDE = 32
NUM_POINTS = 100_000
"""Points of an evaluation of a single training run."""


@dataclass(frozen=True)
class Plan:
    """A suite made concrete: data, variants, seeds, measures and device."""

    options: RunOptions
    suite: Suite
    preset_name: str
    preset: Preset
    device: torch.device
    precision: str
    threads: int
    variants: tuple[Variant, ...]
    budget: Budget
    data: Mapping[int, Dataset]
    extractors: tuple[Extractor, ...] = ()
    images: Mapping[str, ForeignImages] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    parallel: Parallel | None = None

    @cached_property
    def devices(self) -> tuple[torch.device, ...]:
        """The devices that the runs are spread over."""
        return spread(self.device)

    @property
    def jobs(self) -> int:
        """Runs side by side; by default as many as a CPU has cores for their threads, and one a device on CUDA."""
        if self.options.jobs:
            return self.options.jobs
        return max(1, cores() // self.threads) if self.device.type == "cpu" else len(self.devices)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that each variant is trained with."""
        return tuple(self.options.seeds or self.preset.seed_list)

    @property
    def evaluate_at(self) -> tuple[float, ...]:
        """The evaluations as fractions of the budget, in increasing order; the last is 1."""
        return self.preset.evaluation_points(len(self.measured.train))

    @cached_property
    def overrides(self) -> dict[str, tuple[str, ...]]:
        """The overrides of the preset by variant, in words."""
        given = (self.suite, self.preset, self.precision)
        names = [variant.display_name for variant in self.variants]
        return {name: tuple(suite_variants.list_overrides(name, *given)) for name in names}

    @property
    def measured(self) -> Dataset:
        """The data set at the side at which everything is measured."""
        return self.data[EVALUATION_SIDE]

    @property
    def ranked_by(self) -> str:
        """The measure by which variants are ranked and the best evaluation is chosen.

        Of images of one's own KID, if the reference has few of them or FID cannot be measured.
        """
        data, ranking = self.measured, self._ranking
        lacks_fid = ranking is not None and "fid" not in ranking.metrics
        if data.kind == "images" and data.extractor not in EXTRACTORS and (len(data.test) < FEW_IMAGES or lacks_fid):
            return "kid"
        return PRIMARY[data.kind]

    @property
    def _ranking(self) -> Extractor | None:
        """The extractor by whose values variants are ranked, as ``gan_zoo.bench.results.default_extractor``."""
        return min(self.extractors, key=lambda extractor: extractor.name == "inception", default=None)

    def check_ranking(self) -> None:
        """Raise GanZooError if the extractor that ranks does not compute the metric that ranks."""
        ranking = self._ranking
        if ranking is not None and self.ranked_by not in ranking.metrics:
            raise GanZooError(
                f"extractor {ranking.name!r} has no {self.ranked_by}, by which variants are ranked; add it to its "
                "metrics, or name another extractor first"
            )

    @property
    def schedule(self) -> Schedule:
        """The budget and its evaluations, as records are compared with them."""
        return Schedule.of(self.preset.budget, self.evaluate_at, len(self.measured.train))

    def evaluator(self) -> Measuring:
        """What measures this plan's runs."""
        data, num_samples = self.measured, self.preset.num_samples
        if data.density is not None:
            return PointEvaluator(data.density, num_samples, self.device)
        return Evaluator(
            data.train,
            data.test,
            self.extractors,
            num_samples,
            fingerprint=data.fingerprint,
            primary=self.ranked_by,
            reference=data.reference,
        )

    @cached_property
    def measurements(self) -> dict[str, dict[str, Any]]:
        """The measurement identity of each extractor, by its name."""
        return {
            extractor.name: measurement(
                extractor, self.measured, self.preset.num_samples, self.ranked_by, self._machine
            )
            for extractor in self.extractors
        }

    @cached_property
    def measurement_digests(self) -> dict[str, str]:
        """The first 8 hex digits of SHA-256 over each extractor's measurement identity."""
        return {name: digest(identity) for name, identity in self.measurements.items()}

    def evaluated(self, record: RunRecord) -> dict[float, list[Row]]:
        """The rows of metrics of each evaluation that is on record with this plan's measurements, by its fraction.

        An evaluation counts if every extractor measured it; without any, if its grid of samples was drawn. These are
        the rows that are appended last.
        """
        at = self.schedule.evaluations(record)
        if not self.extractors:
            drawn = {row["step"] for row in record.samples if row["kind"] == "grid"}
            fractions = [fraction for fraction, step in at.items() if step in drawn]
            return {fraction: [] for fraction in (fractions if self.measured.kind == "images" else self.evaluate_at)}
        digests = self.measurement_digests
        known = [row for row in record.metrics if row.get("measurement") == digests.get(row["extractor"], "")]
        found = {
            fraction: {row["extractor"]: row for row in known if row["step"] == step} for fraction, step in at.items()
        }
        return {fraction: list(rows.values()) for fraction, rows in found.items() if len(rows) == len(self.extractors)}

    def runs(self) -> list["RunSpec"]:
        """All runs in the order of the tables: those of real images, of images from elsewhere, then seed by seed."""
        # Describing a variant takes a millisecond, which thousands of seeds share.
        identities = [self._trajectory(variant) for variant in self.variants]
        floor = [RunSpec(FLOOR, None, seed, {"seed": seed, "measurements": self.measurements}) for seed in self.seeds]
        trained = [
            RunSpec(variant.display_name, variant, seed, {**identity, "seed": seed})
            for seed in self.seeds
            for variant, identity in zip(self.variants, identities, strict=True)
        ]
        foreign = [
            RunSpec(name, None, 0, {"images": images.fingerprint(), "measurements": self.measurements}, images)
            for name, images in self.images.items()
        ]
        return floor + foreign + trained if self.extractors else trained

    def _trajectory(self, variant: Variant) -> dict[str, Any]:
        machine = dict(self._machine)
        if self.parallel is not None:
            machine |= {"processes": self.parallel.size, "sync_batch_norm": self.parallel.sync_batch_norm}
        return trajectory(variant, self.data[variant.image_side], self.seeds[0], self.precision, machine)

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return machine(self.device, self.threads)


@dataclass(frozen=True)
class RunSpec:
    """One run: a variant and a seed, and the identity of all that decides its numbers.

    Without a variant, ``images`` that were made elsewhere are measured, or without these, real ones.
    """

    variant_name: str
    variant: Variant | None
    seed: int
    identity: Mapping[str, Any]
    images: ForeignImages | None = None

    @property
    def title(self) -> str:
        """The run's name for people, e.g. ``gan seed 0``."""
        if self.images is not None:
            return f"{self.variant_name} (images)"
        return f"{self.variant_name} seed {self.seed}"

    @cached_property
    def name(self) -> str:
        """The run's name, which ends in the first 8 hex digits of SHA-256 over its identity."""
        return f"{self.variant_name}-seed{self.seed}-{digest(decisive(self.identity))}"


def make_plan(
    options: RunOptions, data: Mapping[int, Dataset] | None = None, extractors: tuple[Extractor, ...] | None = None
) -> Plan:
    """Resolve options: load plugins, data and extractors, make the variants, and set this process up for its device.

    An extractor that is not available, or needs more images than the preset measures, is left out with a notice.

    Args:
        options: what to run and how.
        data: the data set at each side that a plan of these options has, in place of its files.
        extractors: those of such a plan, in place of theirs.

    Raises:
        GanZooError: an unknown name or option, data that is not available, or no extractor left.
    """
    suite = read_suite(options.suite)
    device = _device(options)
    for plugin in options.plugins:
        registry.load_plugin(Path(plugin))
    preset_name = suite.default_preset(device.type) if options.preset == "auto" else options.preset
    preset = suite.preset(preset_name)
    threads = options.threads or (default_threads() if options.single else 1)
    if device.type == "cpu":
        torch.set_num_threads(threads)
    precision = options.precision or preset.precision
    prepare(device.type, precision)
    if device.index is not None and device.type == "cuda":
        # Whatever names no device, as a CUDA graph's memory, must not be allocated on the first.
        torch.cuda.set_device(device)
    variants = _make_variants(options, suite, preset_name, preset)
    parallel = joined()
    if parallel is not None:
        check_shares(variants[0], parallel)
    elif options.sync_batch_norm:
        raise GanZooError("sync_batch_norm is for several processes; start them with torchrun, or leave it out")
    sides = {EVALUATION_SIDE, *(variant.image_side for variant in variants)}
    if data is None:
        given = {**vars(suite.data_options), "root": options.data_root, "download": options.download}
        data = {side: data_sets.load(suite.data, side=side, device=device, **given) for side in sorted(sides)}
    # A plugin's code might end this process; in a run's own process that costs the run alone.
    if options.single and "plugins" not in registry.code_identity(variants[0].name, **variants[0].options):
        check(variants[0], data[variants[0].image_side])
    plan = Plan(
        options=replace(options, suite=suite),
        suite=suite,
        preset_name=preset_name,
        preset=preset.model_copy(update={"num_samples": _num_samples(options, preset, data[EVALUATION_SIDE])}),
        device=device,
        precision=precision,
        threads=threads,
        variants=variants,
        budget=Budget.of(preset.budget),
        data=data,
        parallel=parallel,
    )
    found, notices = choose_extractors(plan) if extractors is None else (extractors, [])
    images = _foreign_images(plan)
    if (gpu := unused_gpu()) and options.device is None:
        notices = [gpu, *notices]
    if plan.preset.num_samples < preset.num_samples and not options.single:
        size = f"the size of the test split of {plan.measured.name}"
        notices.append(f"num_samples reduced from {preset.num_samples} to {plan.preset.num_samples}, {size}")
    plan = replace(plan, extractors=found, images=images, notices=tuple(notices))
    plan.check_ranking()
    return plan


def _device(options: RunOptions) -> torch.device:
    device = pick(options.device)
    if options.num_gpus is not None and device.type != "cuda":
        raise GanZooError(f"num_gpus is {options.num_gpus}, but the runs are on {device.type}; leave it out")
    return device


def _foreign_images(plan: Plan) -> dict[str, ForeignImages]:
    """The suite's images from elsewhere. Raises GanZooError if they cannot be read, or are fewer than are measured."""
    suite, num_samples = plan.suite, plan.preset.num_samples
    found = {}
    for name, path in suite.images.items():
        with suite.at(f"images.{name}"):
            if plan.measured.density is not None:
                raise GanZooError(f"{plan.measured.name} is a set of points; remove the images")
            found[name] = find_images(Path(suite.file).parent / with_home(path, f"images.{name}"))
            if len(found[name]) < num_samples:
                count = f"{found[name].what} has {len(found[name]):,} images, and num_samples is {num_samples:,}"
                raise GanZooError(f"{count}; add images, or set num_samples lower")
    return found


def _num_samples(options: RunOptions, preset: Preset, measured: Dataset) -> int:
    """Samples of an evaluation. Points are measured against their density: no split limits them."""
    if measured.density is not None:
        return NUM_POINTS if options.single else preset.num_samples
    return min(preset.num_samples, len(measured.test), len(measured.train))


def _make_variants(options: RunOptions, suite: Suite, preset_name: str, preset: Preset) -> tuple[Variant, ...]:
    """The variants, after a check of all names and options in the suite's file."""
    chosen = options.variants or preset.variants or suite.variants
    if repeated := sorted({name for name in chosen if list(chosen).count(name) > 1}):
        raise GanZooError(f"variants are named twice: {', '.join(repeated)}; name each once")
    with suite.at("data"):
        if not data_sets.is_known(suite.data):
            raise unknown("data set", suite.data, data_sets.names())
    extractors = {"extractors": suite.extractors, f"presets.{preset_name}.extractors": preset.extractors or []}
    for key, names in extractors.items():
        with suite.at(key):
            for name in names:
                check_known("extractor", name, [*known_extractors.names(), DENSITY])
    suite_variants.check(suite, preset_name, preset)
    return tuple(suite_variants.make_variant(name, suite, preset) for name in chosen)
