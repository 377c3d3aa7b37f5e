"""The options of a run, its budget, and the numerical precisions; without torch."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo.errors import GanZooError, check_known, shown

if TYPE_CHECKING:
    from gan_zoo.bench.suite import Suite
    from gan_zoo.engine.state import State

PRECISIONS = {
    "fp32": "float32 throughout",
    "tf32": (
        "tensor cores round the inputs of matrix products and convolutions to TF32 (10-bit mantissa instead of 23); "
        "everything else is float32; CUDA only"
    ),
    "bf16": (
        "the networks run in bfloat16 (7-bit mantissa instead of 23) under autocast; weights, optimizer, losses and "
        "batch norm statistics are float32"
    ),
}
"""Description of each precision. All but ``fp32`` change the numbers for speed. Samples are always drawn in float32."""
EXACT = "fp32"
EXECUTORS = ("local", "ray")
FLOOR = "real"
"""Name of the real images in tables and records."""
MAX_SEEDS = 1_000
MAX_TARGETS = 50
"""Columns of the table of times to a target."""
_LARGEST_SEED = 2**53
"""Larger integers are not exact in every reader of JSON."""
_LARGEST_BUDGET = 1e15


def _option(
    default: Any, text: str, commands: str = "", minimum: float | None = None, maximum: float | None = None
) -> Any:
    """A field with its help text, the commands that offer it, and its smallest and largest value."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={"help": text, "commands": commands.split(), **bounds})


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How the images of a data set are prepared; the fields are keys of a suite and options of `train`.

    Attributes:
        channels: 1, 3, or None for the data set's own number.
        test_share: of a data set without a test split of its own, the share of each class that is the test split, or 0:
            all images are both trained on and the reference. None: a tenth.
        mirror: whether the mirror image of each training image is added.

    Raises:
        GanZooError: a value out of range.
    """

    channels: int | None = None
    test_share: float | None = None
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (None, 1, 3):
            raise GanZooError(f"{self.channels} image channels are impossible: choose 1 (grayscale) or 3 (color)")
        if self.test_share is not None and not 0 <= self.test_share < 1:
            raise GanZooError(
                f"test share {self.test_share} is impossible: choose a share of the images from 0 on and below 1, "
                "e.g. 0.2, or 0 for the whole set"
            )


def are_seeds(seeds: Sequence[Any]) -> bool:
    """Whether these are different whole numbers from 0 to 2^53, at least one and at most ``MAX_SEEDS``."""
    if not 1 <= len(seeds) <= MAX_SEEDS:
        return False
    return all(type(seed) is int and 0 <= seed <= _LARGEST_SEED for seed in seeds) and len(set(seeds)) == len(seeds)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to run and how; None leaves a choice to the suite or the machine.

    A new field with commands is an option of these commands and of ``run_suite`` without further code.

    Raises:
        GanZooError: a value below its minimum or above its maximum, an unknown precision, or seeds that are not
            different whole numbers from 0 on.
    """

    suite: "Path | str | Suite" = _option(
        "", "A suite file, or the name of a suite of this package, e.g. mnist.", "bench search"
    )
    preset: str = _option(
        "auto", "smoke, quick, standard, full, or auto: standard on CUDA, quick on a CPU.", "bench search"
    )
    variants: Sequence[str] | None = _option(None, "Variants in place of the suite's, e.g. gan,cgan.", "bench search")
    seeds: Sequence[int] | None = _option(None, "Seeds in place of the suite's, e.g. 0,1,2.", "bench")
    force: bool = _option(
        False, "Delete runs in the folder that have other settings or a larger budget.", "bench train"
    )
    checkpoint_every: float = _option(
        60.0, "Seconds between two checkpoints, beside those at every evaluation.", "bench train", minimum=0
    )
    run_timeout: float | None = _option(
        None, "Seconds after which one run is ended, status timeout.", "bench train", minimum=1
    )
    plugins: Sequence[Path | str] = _option(
        (),
        "A Python file that registers variants, metrics, extractors or data sets. May be given again.",
        "bench train search",
    )
    data_root: Path | None = _option(
        None, "Folder that holds the data sets; else GAN_ZOO_DATA, else the cache.", "bench train search"
    )
    inception_weights: Path | None = _option(
        None, "Weights file for the extractor `inception`, and measure with it.", "bench train"
    )
    device: str | None = _option(
        None,
        "cuda (all devices that are visible), cuda:1 (that one) ... or cpu; by default CUDA if it is there.",
        "bench train search",
    )
    precision: str | None = _option(
        None, f"{', '.join(PRECISIONS)}; by default {EXACT}, or the suite's own.", "bench train search"
    )
    graphs: bool = _option(True, "On CUDA, record steps as graphs, which launch faster.", "bench train search")
    threads: int | None = _option(
        None, "CPU threads a run; by default 1, and all cores for `train`.", "bench train search", 1, 1024
    )
    jobs: int | None = _option(
        None,
        "Runs side by side, spread evenly over the devices; by default one a core on a CPU, one a device on CUDA.",
        "bench search",
        1,
        1024,
    )
    sync_batch_norm: bool = _option(
        False, "With torchrun on CUDA, batch norm over the batch of all processes.", "train"
    )
    executor: str = _option(
        "local", 'local: this machine; ray: a Ray cluster (pip install "gan-zoo[ray]").', "bench search"
    )
    address: str | None = _option(
        None, "Of an existing Ray cluster, e.g. auto; by default one is started on this machine.", "bench search"
    )
    storage: str | None = _option(
        None,
        "With Ray, folder that all nodes share, or fsspec URL, e.g. s3://bucket/folder, for checkpoints; by default "
        "the results folder.",
        "bench search",
    )
    num_gpus: float | None = _option(
        None,
        "With Ray, GPUs a run, e.g. 0.25; by default 1 on CUDA until the memory of a variant is known.",
        "bench search",
        0.01,
        1024,
    )
    evaluate: bool = _option(True, "Compute the metrics.", "train")
    tensorboard: bool = _option(
        False, "Log to the folder tensorboard of the results folder (pip install tensorboard).", "bench train"
    )
    isolate: bool = _option(False, "Give each run a process of its own also with one job.")
    download: bool = _option(True, "Download missing data.")
    single: bool = _option(False, "The results folder is for exactly these variants and seeds, as that of `train`.")

    def __post_init__(self) -> None:
        for option in fields(self):
            value, least, most = getattr(self, option.name), option.metadata["minimum"], option.metadata["maximum"]
            if value is not None and least is not None and not value >= least:
                raise GanZooError(f"{option.name} is {value!r}; it must be at least {least}")
            if value is not None and most is not None and not value <= most:
                raise GanZooError(f"{option.name} is {value!r}; it must be at most {most}")
        check_known("executor", self.executor, EXECUTORS)
        if self.executor == "ray" and importlib.util.find_spec("ray") is None:
            raise GanZooError("executor 'ray' needs Ray: pip install \"gan-zoo[ray]\"")
        self._check_cluster()
        if self.precision is not None:
            check_known("precision", self.precision, PRECISIONS)
        if self.seeds is not None and not are_seeds(self.seeds):
            raise GanZooError(
                f"seeds are {shown(self.seeds)}; they must be different whole numbers from 0 on, e.g. [0, 1, 2], "
                f"and at most {MAX_SEEDS:,}"
            )

    def _check_cluster(self) -> None:
        clustered = [name for name in ("address", "storage", "num_gpus") if getattr(self, name) is not None]
        if self.executor != "ray" and clustered:
            raise GanZooError(f"{clustered[0]} is an option of a cluster; add executor ray, or leave it out")
        if self.executor == "ray" and ":" in (self.device or ""):
            raise GanZooError(f"device {self.device!r} is one of this machine; a cluster assigns them: use device cuda")
        if self.address is not None and (not self.address or "://" in self.address):
            raise GanZooError(f"address {self.address!r} is none of a cluster; use auto, or HOST:PORT of its head node")
        if self.storage is not None and (not self.storage or self.storage.startswith("memory://")):
            raise GanZooError(f"storage {self.storage!r} is none that nodes share; name a folder, or a URL of objects")
        if self.num_gpus is not None and self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise GanZooError(f"num_gpus is {self.num_gpus}; it must be a share of one GPU, or a whole number")

    @classmethod
    def offered(cls, command: str) -> list["Field[Any]"]:
        """The fields that a command offers."""
        return [option for option in fields(cls) if command in option.metadata["commands"]]

    @classmethod
    def of(cls, options: Mapping[str, Any], command: str = "") -> "RunOptions":
        """From keywords.

        Raises:
            GanZooError: no such option, or with a command, none that it offers.
        """
        for name in options:
            check_known("option", name, [option.name for option in (cls.offered(command) if command else fields(cls))])
        return cls(**options)

    @classmethod
    def documented(cls, command: str = "") -> str:
        """A line for each field but the suite, or for those of a command, indented for the Args of a docstring."""
        documented = cls.offered(command) if command else fields(cls)[1:]
        return "\n            ".join(f"{option.name}: {option.metadata['help']}" for option in documented)


UNITS = ("images", "epochs", "steps", "seconds")


@dataclass(frozen=True)
class Budget:
    """How long to train: real images, epochs of the training split, iterations (``steps``), or seconds.

    Raises:
        GanZooError: an unknown unit, an amount that is not above 0, or a fraction of a step.
    """

    unit: str
    amount: float

    def __post_init__(self) -> None:
        check_known("budget unit", self.unit, UNITS)
        if not 0 < self.amount <= _LARGEST_BUDGET:
            most = f"{_LARGEST_BUDGET:.0e}"
            raise GanZooError(
                f"budget of {shown(self.amount)} {self.unit} is no budget; it must be above 0, and at most {most}"
            )
        if self.unit == "steps" and self.amount != int(self.amount):
            raise GanZooError(f"budget of {self.amount} steps: steps are whole numbers; use {math.ceil(self.amount)}")

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    @classmethod
    def of(cls, setting: Mapping[str, float]) -> "Budget":
        """From a suite's ``{images = 256000}``."""
        named = ", ".join(setting) or "nothing"
        if len(setting) != 1:
            raise GanZooError(f"budget must name exactly one of {', '.join(UNITS)}, not {named}")
        ((unit, amount),) = setting.items()
        return cls(unit, amount)

    def spent(self, state: "State") -> float:
        """How much of it a state has used, in its unit."""
        used = {"images": state.images, "steps": state.iterations, "seconds": state.seconds}
        return state.images / len(state.data) if self.unit == "epochs" else used[self.unit]

    def steps_left(self, state: "State", fraction: float) -> int:
        """Steps to a fraction of it, never too many (an epoch's last batch is smaller); for seconds, a large bound."""
        left = self.amount * fraction - self.spent(state)
        images = state.variant.batch_size * state.variant.discriminator_steps
        per_step = {"images": images, "epochs": images / len(state.data), "steps": 1, "seconds": 1e-3}[self.unit]
        return max(0, math.ceil(left / per_step - 1e-9))
