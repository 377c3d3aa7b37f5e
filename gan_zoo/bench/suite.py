"""Suite files: what is compared, as TOML, checked key by key."""

import contextlib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator

from gan_zoo.checked import Text
from gan_zoo.errors import GanZooError, check_known, unknown, validation_lines
from gan_zoo.options import EXACT, MAX_SEEDS, MAX_TARGETS, PRECISIONS, Budget, DataOptions, are_seeds

SHIPPED = Path(__file__).parents[1] / "suites"
"""The folder of the suites that are part of this package."""

_LARGEST = 1_000_000
"""Bytes of a suite file; those of this package have a few thousand."""

_Samples = Annotated[int, Field(ge=1, le=10_000_000)]
_Batch = Annotated[int, Field(ge=1, le=1_000_000)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, le=1)]
_Names = Annotated[list[Text], Field(max_length=1000)]
_Backbone = str | dict[str, Any]


class Table(BaseModel):
    """A table of a suite file: any key that is not a field is an error, and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Preset(Table):
    """How much of a suite is run.

    In a suite file, ``extends = "quick"`` takes over all settings of another preset that the table does not set itself.

    Attributes:
        seeds: how many seeds (0, 1, ...), or the seeds themselves.
        budget: one unit and its amount, e.g. ``{images = 256_000}``.
        evaluate_from: the first evaluation; the next are at every doubling below the budget, the last at its end. In
            real images for a budget of images or epochs, in steps or seconds for a budget of these. Presets that name
            the same one share their points. Without it and ``evaluate_at``, only the end is evaluated.
        evaluate_at: in place of ``evaluate_from``, the evaluations as shares of the budget; the last is 1.
        num_samples: samples measured at each evaluation, of each variant, of the floor and of the reference.
        precision: numerical precision, a name of ``gan_zoo.options.PRECISIONS``.
        batch_size: real samples a discriminator step, in place of each variant's own.
        backbone, shared: in place of the suite's, and beside the suite's.
        variants: in place of the suite's.
        extractors: in place of the suite's.
        options: hyperparameters by variant, beside the suite's, e.g. ``{dcgan = {width = 32}}``.
        notes: what a reader must know of a variant under this preset, e.g. why its budget is too short for it.
        targets: values of the metric that ranks; the report shows when each variant reached them.
    """

    seeds: int | list[int]
    budget: dict[str, _Positive]
    evaluate_at: Annotated[list[_Share], Field(max_length=1000)] | None = None
    evaluate_from: _Positive | None = None
    num_samples: _Samples
    precision: Literal[tuple(PRECISIONS)] = EXACT  # type: ignore[valid-type]
    batch_size: _Batch | None = None
    backbone: _Backbone | None = None
    shared: dict[str, Any] = {}
    variants: _Names | None = None
    extractors: _Names | None = None
    options: dict[str, dict[str, Any]] = {}
    notes: dict[str, Text] = {}
    targets: Annotated[list[_Positive], Field(max_length=MAX_TARGETS)] = []

    @field_validator("budget")
    @classmethod
    def _one_unit(cls, budget: dict[str, float]) -> dict[str, float]:
        try:
            Budget.of(budget)
        except GanZooError as error:
            raise ValueError(str(error)) from None
        return budget

    @field_validator("evaluate_at")
    @classmethod
    def _rising_to_one(cls, shares: list[float] | None) -> list[float] | None:
        if shares is None:
            return None
        if shares != sorted(set(shares)) or not shares or shares[-1] != 1:
            raise ValueError(f"must rise to 1, e.g. [0.1, 0.5, 1.0], not {shares}")
        return shares

    @field_validator("evaluate_from")
    @classmethod
    def _not_beside_shares(cls, first: float | None, others: ValidationInfo) -> float | None:
        if first is not None and others.data.get("evaluate_at") is not None:
            raise ValueError("cannot be combined with evaluate_at; remove one of them")
        return first

    @field_validator("seeds", mode="plain")
    @classmethod
    def _count_or_list(cls, seeds: Any) -> int | list[int]:
        listed = range(min(seeds, MAX_SEEDS + 1)) if type(seeds) is int else seeds
        if not isinstance(listed, (list, range)) or not are_seeds(listed):
            raise ValueError(
                "must be a count of at least 1, or a list of different seeds, e.g. [0, 1, 2], and at most "
                f"{MAX_SEEDS:,}"
            )
        return seeds

    @property
    def seed_list(self) -> list[int]:
        """The seeds, one by one."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    def evaluation_points(self, epoch: int) -> tuple[float, ...]:
        """The evaluations as fractions of the budget, in increasing order; the last is 1.

        Args:
            epoch: number of training images, which a budget of epochs is a multiple of.
        """
        if self.evaluate_from is None:
            return tuple(self.evaluate_at or (1.0,))
        ((unit, amount),) = self.budget.items()
        end = amount * epoch if unit == "epochs" else amount
        points, point = [], self.evaluate_from
        while point < end:
            points.append(point / end)
            point *= 2
        return (*points, 1.0)


class VariantOverride(Table):
    """A variant that a suite makes of a registered one, under a name of its own in tables.

    Attributes:
        variant: the registered variant.
        options: its hyperparameters, and fields of ``Variant`` that take a plain value.
        title: its name for people; by default the variant's, with the options.
    """

    variant: str
    options: dict[str, Any] = {}
    title: Text = ""


class Suite(Table):
    """A comparison: a data set, the variants, what measures them, and presets of it.

    Attributes:
        title: what is compared, for people.
        data: a data set's name.
        variants: registered names, and names from ``named``.
        extractors: what measures; the first that is not ``inception`` ranks.
        channels: draws grey images in 3 channels, or colored ones in 1; without it, the data set's own.
        test_share, mirror: see ``gan_zoo.options.DataOptions``.
        backbone: networks that every variant is put on, e.g. ``{ name = "dcgan", width = 16, norm = "none" }``.
        shared: options of every variant, e.g. ``{ latent = "100 normal" }``.
        options: hyperparameters by variant, e.g. ``{ wgan_gp = { weight = 1.0 } }``.
        named: variants with options, under names of their own.
        images: images that were made elsewhere, by name: the path of a folder of images, or of an array file. Each is
            measured once and joins the tables, marked as not trained here.
        baseline: the variant that every other is compared with; by default the first.
        contrasts: the pairs that are compared, e.g. ``[["lsgan", "cgan"]]``, in place of each against the baseline.
        search: what `gan-zoo search` varies, and within which ranges.
        presets: how much of it is run.
    """

    title: Text
    data: Text
    variants: Annotated[_Names, Field(min_length=1)]
    extractors: Annotated[_Names, Field(min_length=1)]
    channels: Literal[1, 3] | None = None
    test_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    mirror: bool = False
    backbone: _Backbone | None = None
    shared: dict[str, Any] = {}
    options: dict[str, dict[str, Any]] = {}
    named: dict[str, VariantOverride] = {}
    images: dict[str, Text] = {}
    baseline: str | None = None
    contrasts: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = []
    search: dict[str, Any] = {}
    presets: Annotated[dict[str, Preset], Field(min_length=1)]
    _file: str = PrivateAttr("suite")

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> "Suite":
        """The suite that a manifest names, of earlier versions too.

        Raises:
            GanZooError: it names none, or keys and values that do not fit.
        """
        table = dict(manifest.get("suite", {}))
        if isinstance(table.get("presets"), dict):
            table["presets"] = {name: _current(preset) for name, preset in table["presets"].items()}
        try:
            return cls.model_validate(table)
        except ValidationError as errors:
            line = validation_lines(errors, lambda _: ())[0]
            raise GanZooError(f"the suite in the manifest cannot be used: {line}; train into another folder") from None

    @property
    def file(self) -> str:
        """The file that it was read from."""
        return self._file

    @property
    def data_options(self) -> DataOptions:
        """How its data set is prepared."""
        return DataOptions(channels=self.channels, test_share=self.test_share, mirror=self.mirror)

    def default_preset(self, device: str) -> str:
        """The name of the preset for a type of device: quick on a CPU, else standard, or full without one."""
        if device == "cpu":
            return "quick"
        return "standard" if "standard" in self.presets else "full"

    def preset(self, name: str) -> Preset:
        """The preset of that name.

        Raises:
            GanZooError: there is none.
        """
        if name not in self.presets:
            raise GanZooError(f"{self.file}: {unknown('preset', name, [*self.presets, 'auto'])}")
        return self.presets[name]

    @contextlib.contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Name the file and this key in an error of the block."""
        try:
            yield
        except GanZooError as error:
            raise GanZooError(f"{self.file}: key {key!r}: {error}") from None


def _current(preset: Any) -> Any:
    """A preset of a manifest, of earlier versions too, with the keys of this one."""
    if not isinstance(preset, dict):
        return preset
    return {("num_samples" if key == "n" else key): value for key, value in preset.items()}


def find_suite(suite: Path | str) -> Path:
    """The file of a suite: a path, or the name of a suite that is shipped, e.g. ``mnist``; a file goes before a name.

    Raises:
        GanZooError: no such file, and no such name (the nearest is named).
    """
    path, shipped = Path(suite), sorted(file.stem for file in SHIPPED.glob("*.toml"))
    if path.exists() and not path.is_dir():
        return path
    if str(suite) in shipped:
        return SHIPPED / f"{suite}.toml"
    if path.name == str(suite) and not path.suffix:
        raise unknown("suite", path.name, shipped)
    why = "is a folder" if path.is_dir() else "does not exist"
    raise GanZooError(f"suite {str(path)!r} {why}; name a file, or a suite of this package: {', '.join(shipped)}")


def read_suite(suite: Path | str | Suite) -> Suite:
    """Read and check a suite, named by its path or by the name of a suite that is shipped; a read one is returned.

    Raises:
        GanZooError: no such suite, no TOML, or keys and values that do not fit: one line each, with the file, the key
            and what is allowed.
    """
    if isinstance(suite, Suite):
        return suite
    path = find_suite(suite)

    def known_keys(location: Sequence[Any]) -> list[str]:
        inner = VariantOverride if location[0] == "named" else Preset
        return list((Suite if len(location) == 1 else inner).model_fields)

    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes; shorten it")
        table = tomllib.loads(content.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise GanZooError(f"suite {str(path)!r} cannot be read: {error}") from None
    _extend_presets(table, path)
    try:
        read = Suite.model_validate(table)
    except ValidationError as errors:
        lines = validation_lines(errors, known_keys, {"n": "num_samples"})
        raise GanZooError("\n".join(f"{path}: {line}" for line in lines)) from None
    read._file = str(path)
    return read


def check_names(suite: Suite, preset_name: str, preset: Preset | None, registered: Collection[str]) -> None:
    """Check the names of variants in a suite's file; without a preset, those of no preset.

    Raises:
        GanZooError: an unknown name, with its file and key, or a variant that is compared with itself.
    """
    known = [*registered, *suite.named]
    for name, override in suite.named.items():
        with suite.at(f"named.{name}.variant"):
            check_known("variant", override.variant, registered)
    given: dict[str, Iterable[str]] = {
        "variants": suite.variants,
        "baseline": [suite.baseline] if suite.baseline else [],
        "contrasts": [name for pair in suite.contrasts for name in pair],
        "options": suite.options,
    }
    if preset is not None:
        named = {"variants": preset.variants or [], "notes": preset.notes, "options": preset.options}
        given |= {f"presets.{preset_name}.{key}": names for key, names in named.items()}
    for key, names in given.items():
        with suite.at(key):
            for name in names:
                check_known("variant", name, known)
    for first, second in suite.contrasts:
        if first == second:
            raise GanZooError(f"{suite.file}: key 'contrasts': {first!r} is compared with itself; name two variants")


def _extend_presets(table: dict[str, Any], path: Path) -> None:
    """Complete each preset that extends another one from it.

    Raises:
        GanZooError: a preset extends one that does not exist, or that extends another one itself.
    """
    if not isinstance(table.get("presets"), dict):
        return
    tables = {name: preset for name, preset in table["presets"].items() if isinstance(preset, dict)}
    complete = {name: preset for name, preset in tables.items() if "extends" not in preset}
    for name, preset in tables.items():
        if name not in complete:
            parent = str(preset.pop("extends"))
            if parent not in complete:
                raise GanZooError(f"{path}: key 'presets.{name}.extends': {unknown('preset', parent, complete)}")
            table["presets"][name] = {**complete[parent], **preset}
