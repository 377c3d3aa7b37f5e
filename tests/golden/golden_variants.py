"""Short runs of every variant of the package through the real engine, as numbers to compare with stored ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from golden_store import STEP, Golden, Unavailable, Values, summary
from torch import Tensor, nn

from gan_zoo import NUMERICS_VERSION, registry
from gan_zoo.data import Dataset, Split
from gan_zoo.data.mixtures import Points
from gan_zoo.engine import Sampler, State, advance, flush, init
from gan_zoo.validation import random_data

STEPS, SAMPLES, BATCH, WIDTH = 4, 20, 8, 4
"""Of the 20 samples an epoch makes batches of 8, 8 and 4: the fourth step begins another epoch."""
SEED = 1
"""With seed 0 a value of ``ebgan`` lies so near a kink that weights 1e-8 apart end 1e-3 apart."""
DTYPES = {"float64": torch.float64, "float32": torch.float32}
"""float64 steps the plain optimizer; float32 the fused one, on weights that are laid out channels last."""


@dataclass(frozen=True)
class Case:
    """One run: a variant with options, on images with so many channels, or on points with 0."""

    variant: str
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 1


_POINTS = {"backbone": {"name": "points", "width": 16, "depth": 2, "scale": 2.5}, "latent": "2 normal"}
_ADAM = {"name": "Adam", "lr": {"start": 1e-3, "shape": "inverse", "decay": 0.1}, "betas": [0.0, 0.9]}
_FURTHER = {
    "dcgan_keras, no dropout": Case("dcgan_keras", {"dropout": 0.0}),
    "dcgan_paper, rules broken": Case(
        "dcgan_paper", {"resampling": "pooling", "activation": "relu", "batch_norm": "everywhere", "head": "dense"}
    ),
    "began, k above 0": Case("began", {"diversity": 0.95}),
    "r1gan, default weights": Case("r1gan", {"initialization": "default"}),
    "nsgan, RGB": Case("nsgan", channels=3),
    "gan, points": Case("gan", _POINTS, channels=0),
    "cgan, points": Case("cgan", _POINTS, channels=0),
    "wgan_gp, points": Case("wgan_gp", {**_POINTS, "norm": "layer"}, channels=0),
    "gan, engine options": Case(
        "gan",
        {
            "generator_optimizer": _ADAM,
            "generator_steps": 2,
            "discriminator_steps": 2,
            "fake_batch_size": 6,
            "generator_batch_size": 10,
            "sampling": "replacement",
            "ema": 0.9,
            "concat_real_fake": True,
        },
    ),
}


def own_variants() -> list[str]:
    """The names of this package's variants: those of plugins and of other packages have no golden values."""
    return [name for name in registry.names() if registry._factories[name].__module__.startswith("gan_zoo.")]


def cases() -> dict[str, Case]:
    """All runs by name: every variant at a small width, and what their default options leave out."""
    plain = {name: Case(name, channels=3 if name == "dcgan64" else 1) for name in own_variants()}
    return plain | _FURTHER


def goldens() -> dict[str, Golden]:
    """The golden values of all runs, by name."""
    return {name: Golden(_made_under(case), partial(values, case)) for name, case in cases().items()}


def _made_under(case: Case) -> dict[str, int]:
    revisions = registry.code_identity(case.variant)["revisions"]
    return {"NUMERICS_VERSION": NUMERICS_VERSION} | {f"revision of {name}": value for name, value in revisions.items()}


def values(case: Case) -> Values:
    """The numbers of a run in both types, by names such as ``float64 generator_loss`` (of the first and last step).

    In float32, where rounding is amplified, the losses, the lengths of the steps and the samples; with dropout nothing,
    as a mask is drawn in the order of memory, which depends on the convolution's implementation.

    Raises:
        Unavailable: torch draws dropout masks from another random stream here.
    """
    dropout = case.options.get("dropout", registry.hyperparameters(case.variant).get("dropout", 0.0))
    if dropout and not torch.backends.mkl.is_available():
        raise Unavailable("torch draws dropout masks from another random stream where it is built without MKL")
    found: Values = {}
    with _one_thread():
        for name, dtype in DTYPES.items():
            for key, value in _run(case, dtype).items():
                if name == "float64":
                    found[f"{name} {key}"] = value
                elif not dropout and key.endswith(("loss", STEP, "samples")):
                    found[f"{name} {key}"] = value[:1] if key.endswith(STEP) else value
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Several threads take longer than one for networks of this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(case: Case, dtype: torch.dtype) -> State:
    known = registry.hyperparameters(case.variant)
    small = {name: WIDTH for name in known if name.endswith("width")} if "backbone" not in case.options else {}
    variant = registry.get(case.variant, **{**small, "batch_size": BATCH, **case.options})
    data = random_data(variant.image_side, case.channels, SAMPLES) if case.channels else _points()
    return init(variant, data, seed=SEED, dtype=dtype)


def _points() -> Dataset:
    random = torch.Generator().manual_seed(0)
    images = random_data(8, n=SAMPLES)
    points: Split = Points(torch.rand(SAMPLES, 2, generator=random) * 2 - 1, images.train.labels)
    return replace(images, train=points, test=points, kind="points")


def _run(case: Case, dtype: torch.dtype) -> dict[str, list[float]]:
    state = _start(case, dtype)
    initial = {side: _vector(network.parameters()) for side, network in _networks(state).items()}
    rows = []
    for _ in range(STEPS):
        advance(state, 1)
        rows.append(flush(state) or {})
    found = {name: [rows[0][name], rows[-1][name]] for name in rows[0]}
    for side, network in _networks(state).items():
        found[f"{side} initial"] = summary(initial[side])
        found[f"{side} {STEP}"] = summary(_vector(network.parameters()) - initial[side])
        if buffers := [buffer for buffer in network.buffers() if buffer.is_floating_point()]:
            found[f"{side} buffers"] = summary(_vector(buffers))
    samples = Sampler.of(state)(4).double()
    # Pixels in [0, 1], as points are about.
    found["samples"] = [value.item() / (255 if case.channels else 1) for value in (samples.mean(), samples.std())]
    return found


def _networks(state: State) -> dict[str, nn.Module]:
    return {**state.networks._asdict(), **({} if state.ema is None else {"ema": state.ema})}


def _vector(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])
