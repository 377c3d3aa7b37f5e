"""Gradients that cross-entropy and least squares send to a fake, by the discriminator's score.

Example: python -m benchmarks.studies.loss_gradients --data-root DIR

Trains `cgan`, `lsgan` and `lsgan_linear` and writes gradients.csv, fakes.csv, gradients.png, manifest.json and
loss-gradients.md to --out. The final FIDs of the three are compared by `gan-zoo bench least_squares`.

The margin is the score above the decision boundary: 0 for a logit, 1/2 for a raw score (targets 0 and 1). The
discriminators have no batch norm, so that a score depends on its own sample alone, and the gradient of any loss with
respect to an image is the derivative of the loss with respect to the score times the gradient of the score.
"""

import argparse
import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.common import provenance, require_positive, run_command, table
from benchmarks.figure import figure
from gan_zoo import data, registry
from gan_zoo.bench.records import write_json
from gan_zoo.data import Dataset, Split, to_uint8
from gan_zoo.device import pick, seeded
from gan_zoo.engine import Budget, Diverged, State, init
from gan_zoo.engine.loop import train_to
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.losses import DiscriminatorOutput, Objective, Step
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor
from gan_zoo.report.figures.style import FAINT

TITLES = {
    "cgan": "cross-entropy",
    "lsgan": "least squares on the sigmoid",
    "lsgan_linear": "least squares on the raw score",
}
VARIANTS = tuple(TITLES)
FRACTIONS = (0.05, 0.25, 0.5, 1.0)
BATCH = 64
LATENT = "100 normal"
REFERENCE = 10_000
"""Real training images among which the nearest of a fake is searched, with the fake's label."""
FAR = 0.95
"""A fake is far from the data if it is farther than this share of held-out real images."""
CERTAIN = 0.9
LEAST_FAKES = 20
"""Bins with fewer fakes over all seeds are not drawn."""
EDGES = (-np.inf, -8.0, -4.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, np.inf)
"""Bins of the margin, each with its lower edge."""
STATE = ["variant", "seed", "fraction", "images"]
SMOKE = {"data": "digits", "images": 640, "seeds": 2, "num_samples": 128}


CLOSED_FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cgan": lambda scores: expit(-scores),
    "lsgan": lambda scores: 2 * expit(-scores) ** 2 * expit(scores),
    "lsgan_linear": lambda scores: 2 * np.abs(scores - 1),
}
"""|dl/ds| of one fake's loss: sigmoid(-s); 2 (1 - p)^2 p with p = sigmoid(s); 2 |s - 1|."""


CROSSING = float(brentq(lambda margin: 2 * (margin - 0.5) - expit(-margin), 0.5, 2.0))
"""The margin above which |dl/ds| of least squares on the raw score exceeds that of cross-entropy: 0.67."""
REGIONS: dict[str, Callable[[pd.DataFrame], "pd.Series[bool]"]] = {
    "all": lambda fakes: fakes["margin"] == fakes["margin"],
    "for fake": lambda fakes: fakes["margin"] <= 0,
    "for real": lambda fakes: fakes["margin"] > 0,
    "surely fake": lambda fakes: fakes["certain"] <= 1 - CERTAIN,
    "surely real": lambda fakes: fakes["certain"] >= CERTAIN,
    "past the crossing": lambda fakes: fakes["margin"] > CROSSING,
    "far": lambda fakes: fakes["far"],
    "far, for real": lambda fakes: fakes["far"] & (fakes["margin"] > 0),
    "far, surely real": lambda fakes: fakes["far"] & (fakes["certain"] >= CERTAIN),
}
"""Fakes by how they are classified (margin 0), by D(x) of 0.1 and 0.9, and by their distance from the data."""


def boundary(objective: Objective) -> float:
    """The score that is classified as neither real nor fake."""
    return 0.0 if objective.probability else 0.5


def derivatives(objective: Objective, scores: Tensor) -> Tensor:
    """dl/ds of the generator's loss by each fake's score (B,), without the 1/B of the mean: float64 (B,)."""
    inputs = scores.detach().double().requires_grad_()
    facts = {"labels": None, "fake_labels": None, "latent": {}, "random": torch.Generator(inputs.device)}
    step = Step(discriminator=lambda _samples, _labels: DiscriminatorOutput(inputs), real=inputs, fake=inputs, **facts)
    loss = torch.stack(list(objective.generator(step, {}).terms.values())).sum()
    return torch.autograd.grad(loss, inputs)[0] * len(inputs)


@dataclass(frozen=True)
class Neighbors:
    """Real images to measure distances from: unit features (M, D) with labels (M,), and the distance that is far."""

    extractor: Extractor
    features: Tensor
    labels: Tensor
    far: float

    @classmethod
    def of(cls, dataset: Dataset) -> "Neighbors":
        """A random part of the training split; the threshold is a quantile of the test split."""
        extractor = load_extractor(dataset.extractor, device=dataset.train.images.device)
        train, test = _part(dataset.train, "reference"), _part(dataset.test, "held-out")
        made = cls(extractor, normalize(extractor.encode(train.images).vectors.double()), train.labels, 0.0)
        return replace(made, far=made.distance(test.images, test.labels).quantile(FAR).item())

    def distance(self, images: Tensor, labels: Tensor) -> Tensor:
        """Distance (N,) of uint8 images to the nearest real image of the same label, between unit features: 0 to 2."""
        features = normalize(self.extractor.encode(images).vectors.double())
        nearest = features.new_empty(len(features))
        for label in labels.unique():
            chosen = labels == label
            nearest[chosen] = torch.cdist(features[chosen], self.features[self.labels == label]).amin(dim=1)
        return nearest


def _part(split: Split, purpose: str) -> Split:
    index = torch.randperm(len(split), generator=seeded(0, purpose))[:REFERENCE].to(split.labels.device)
    return Split(split.images[index], split.labels[index])


def fakes_of(state: State, num_samples: int, neighbors: Neighbors) -> pd.DataFrame:
    """One row a fake, drawn as in training: generator in training mode, whole batches of the variant's size.

    ``margin`` is the score above the boundary, ``certain`` D(x), ``sensitivity`` the norm of the score's gradient by
    the image, ``distance`` that to the nearest real image; ``derivative_NAME`` is dl/ds of each loss at this margin,
    signed, and ``gradient_NAME`` the norm of dl/dx.

    Raises:
        GanZooError: scores are not finite.
    """
    random = seeded(state.seed, "fakes", state.device)
    size = state.variant.batch_size
    # A copy: the running statistics of batch norm belong to the training.
    generator = copy.deepcopy(state.networks.generator).train()
    batches = []
    for _ in range(-(-num_samples // size)):
        index = torch.randint(len(state.data), (size,), generator=random, device=state.device)
        labels = state.data.labels[index]
        with torch.no_grad():
            fake = generator(state.variant.latent.draw(size, random=random, dtype=state.dtype), labels)
        batches.append((to_uint8(fake), labels, *scored(state, fake, labels)))
    images, labels, scores, sensitivity = (torch.cat(part) for part in zip(*batches, strict=True))
    if not scores.isfinite().all():
        raise GanZooError(f"{state.variant.name!r} of seed {state.seed} diverged: its scores are not finite")
    distance = neighbors.distance(images, labels)
    columns = {
        "margin": scores.double() - boundary(state.variant.objective),
        "certain": state.variant.objective.read(scores),
        "sensitivity": sensitivity.double(),
        "distance": distance,
        "far": distance > neighbors.far,
    }
    for name in VARIANTS:
        objective = registry.get(name).objective
        slope = derivatives(objective, columns["margin"] + boundary(objective))
        columns |= {f"derivative_{name}": slope, f"gradient_{name}": slope.abs() * columns["sensitivity"]}
    return pd.DataFrame({name: values.cpu().numpy() for name, values in columns.items()})


def scored(state: State, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B,) of fakes (B, ...), and the norm (B,) of each score's gradient by its own image."""
    inputs = fake.detach().requires_grad_()
    scores = state.networks.discriminator(inputs, labels)
    (gradient,) = torch.autograd.grad(scores.sum(), inputs)
    return scores.detach(), gradient.flatten(1).norm(dim=1)


@torch.no_grad()
def real_margin(state: State, num_samples: int) -> float:
    """Median margin of random real training images (of all if there are fewer)."""
    order = torch.randperm(len(state.data), generator=seeded(state.seed, "real", state.device), device=state.device)
    scores = [state.networks.discriminator(*state.data.take(part)) for part in order[:num_samples].split(1000)]
    return torch.cat(scores).median().item() - boundary(state.variant.objective)


def measured(options: argparse.Namespace, dataset: Dataset, neighbors: Neighbors) -> Iterator[pd.DataFrame]:
    """The fakes of each variant, seed and point of training: `fakes_of` with the columns of STATE."""
    for name in VARIANTS:
        for seed in range(options.seeds):
            state = init(registry.get(name, batch_size=BATCH, latent=LATENT), dataset, seed)
            for fraction in train_to(state, Budget("images", options.images), FRACTIONS):
                fakes = fakes_of(state, options.num_samples, neighbors)
                real = (fakes["margin"] > 0).mean()
                print(f"{name}, seed {seed}, {state.images:,} images: {real:.0%} classified as real", file=sys.stderr)
                facts = {"variant": name, "seed": seed, "fraction": fraction, "images": state.images}
                yield fakes.assign(**facts, real_margin=real_margin(state, options.num_samples))


def binned(fakes: pd.DataFrame) -> pd.DataFrame:
    """One row a state, bin of the margin and loss; empty bins have no row.

    Means over the fakes of the bin: ``margin``, ``derivative`` (|dl/ds|), ``gradient`` (||dl/dx||), ``distance``,
    ``far`` (a share); ``pull`` is the gradient divided by its mean over all fakes of the state, ``pulled_back`` the
    share of fakes whose score the loss lowers.
    """
    places = np.digitize(fakes["margin"], EDGES[1:-1])
    means = fakes.groupby(STATE)[[f"gradient_{loss}" for loss in VARIANTS]].mean()
    rows = []
    for (*state, place), mine in fakes.groupby([*STATE, places]):
        shared = dict(zip(STATE, state, strict=True)) | {"low": EDGES[place], "high": EDGES[place + 1]}
        shared |= {"fakes": len(mine)} | {name: mine[name].mean() for name in ("margin", "distance", "far")}
        for loss in VARIANTS:
            derivative = mine[f"derivative_{loss}"]
            gradient = mine[f"gradient_{loss}"].mean()
            facts = {"loss": loss, "derivative": derivative.abs().mean(), "gradient": gradient}
            facts |= {"pull": gradient / means.loc[tuple(state), f"gradient_{loss}"]}
            rows.append(shared | facts | {"pulled_back": (derivative > 0).mean()})
    return pd.DataFrame(rows)


def by_region(fakes: pd.DataFrame) -> pd.DataFrame:
    """One row a state and region: number of fakes, their margins and distances, the mean ||dl/dx|| of each loss.

    ``real_margin`` is the median margin of real images, ``rank_correlation`` Spearman's, of margin and distance.
    """
    quantiles = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "most": 1.0}
    rows = []
    for state, everything in fakes.groupby(STATE):
        for region, belongs in REGIONS.items():
            mine = everything[belongs(everything)]
            rows.append(
                dict(zip(STATE, state, strict=True))
                | {"region": region, "fakes": len(mine), "share": len(mine) / len(everything)}
                | {f"margin_{name}": mine["margin"].quantile(at) for name, at in quantiles.items()}
                | {"distance": mine["distance"].median(), "far": mine["far"].mean()}
                | {"real_margin": everything["real_margin"].iloc[0]}
                | {"rank_correlation": mine["margin"].rank().corr(mine["distance"].rank())}
                | {f"gradient_{loss}": mine[f"gradient_{loss}"].mean() for loss in VARIANTS}
            )
    return pd.DataFrame(rows)


def pooled(rows: pd.DataFrame, by: list[str], means: list[str]) -> pd.DataFrame:
    """Rows of several seeds as one each: the fakes are added, and the means are over all of them."""
    weighted = rows[[*by, "fakes"]].assign(**{name: rows[name] * rows["fakes"] for name in means})
    summed = weighted.groupby(by, as_index=False).sum(min_count=1)
    return summed.assign(**{name: summed[name] / summed["fakes"] for name in means})


def markdown(gradients: pd.DataFrame, fakes: pd.DataFrame, about: str) -> str:
    """The tables: where the fakes are, and the gradients of all losses at each bin of the margin."""
    state = ["variant", "fraction"]
    columns = [f"margin_{at}" for at in ("least", "5%", "median", "95%", "most")] + ["real_margin", "rank_correlation"]
    margins = fakes[fakes["region"] == "all"].groupby(state)[columns].mean().reset_index()
    shares = fakes.pivot_table("share", state, "region", observed=True)[list(REGIONS)[1:]].reset_index()
    parts = ["# Gradients of least squares and cross-entropy", about, "![Gradients](gradients.png)"]
    parts += ["## Margins of the fakes, means over seeds", table(margins)]
    parts += ["## Share of the fakes in each region, means over seeds", table(shares)]
    parts += ["## Each discriminator, all points of training", "|dl/ds|, and ||dl/dx|| over its mean over all fakes."]
    for name in VARIANTS:
        bins = pooled(gradients[gradients["variant"] == name], ["low", "loss"], ["derivative", "pull"])
        wide = bins.pivot(index=["low", "fakes"], columns="loss", values=["derivative", "pull"])
        wide.columns = [f"{loss} {value}" for value, loss in wide.columns]
        parts += [f"Discriminator of `{name}`, by the lower edge of the margin:", table(wide.reset_index())]
    return "\n\n".join(parts) + "\n"


def draw(path: Path, gradients: pd.DataFrame, about: str) -> None:
    """A column a discriminator: |dl/ds| of its loss by point of training, and ||dl/dx|| of all losses on its fakes."""
    bins = pooled(gradients, ["variant", "loss", "fraction", "low"], ["margin", "derivative"])
    pulls = pooled(gradients, ["variant", "loss", "low"], ["margin", "pull"])
    margins = np.linspace(-14, 14, 2801)
    shape = {"rows": 2, "columns": 3, "panel": (4.4, 2.5), "sharex": True, "sharey": "row"}
    shared = {"x": "margin", "marker": "o", "errorbar": None}
    with figure(path, "Gradient of each loss at a fake", about, **shape) as (_, axes):
        for name, upper, lower in zip(VARIANTS, axes[:3], axes[3:], strict=True):
            closed = CLOSED_FORMS[name](margins + boundary(registry.get(name).objective))
            upper.plot(margins, closed, color=FAINT, linestyle="--", linewidth=1.2)
            own = bins[(bins["variant"] == name) & (bins["loss"] == name) & (bins["fakes"] >= LEAST_FAKES)]
            sns.lineplot(own, y="derivative", hue="fraction", palette="crest", ax=upper, **shared)
            mine = pulls[(pulls["variant"] == name) & (pulls["fakes"] >= LEAST_FAKES)]
            sns.lineplot(mine, y="pull", hue="loss", palette="colorblind", ax=lower, **shared)
            upper.set(title=f"{name}: {TITLES[name]}", ylabel="|dl/ds|", yscale="log", ylim=(1e-4, 40))
            lower.set(xlabel="margin", ylabel="||dl/dx|| / mean", yscale="log")
            lower.set_xscale("symlog", linthresh=0.5)


OPTIONS = {
    "--data": ("mnist", "data set"),
    "--images": (40_000, "real images that a variant is trained on, in batches of 64"),
    "--seeds": (3, "number of seeds, from 0 on"),
    "--num-samples": (4096, "fakes at each point of training, in whole batches"),
    "--device": (str, "cpu, cuda, cuda:1 ...; by default CUDA if there is one"),
    "--data-root": (Path, "folder that holds the data set"),
    "--out": (Path("results/loss-gradients"), "folder to write to"),
}


def run(options: argparse.Namespace) -> Path:
    """Measure, and write everything to ``options.out``. Returns the path of the report.

    Raises:
        GanZooError: bad input, missing data, or a run that diverged.
    """
    require_positive(options, "images", "seeds", "num_samples")
    device = pick(options.device)
    side = registry.get(VARIANTS[0]).image_side
    dataset = data.load(options.data, side=side, root=options.data_root, device=device)
    neighbors = Neighbors.of(dataset)
    try:
        measured_fakes = pd.concat(measured(options, dataset, neighbors), ignore_index=True)
    except Diverged as error:
        raise GanZooError(f"training diverged: {error}") from None
    frames = {"gradients": binned(measured_fakes), "fakes": by_region(measured_fakes)}
    settings = {
        "images": options.images,
        "seeds": options.seeds,
        "num_samples": options.num_samples,
        "batch": BATCH,
        "far": FAR,
    }
    facts = {"data": dataset.title, "fingerprint": dataset.fingerprint, "extractor": neighbors.extractor.name}
    facts |= {**settings, "latent": LATENT, "distance_far": neighbors.far}
    write_json(options.out / "manifest.json", provenance(device, options.command) | facts)
    for name, frame in frames.items():
        atomic_write(options.out / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    about = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "fingerprint")
    draw(options.out / "gradients.png", frames["gradients"], about)
    atomic_write(options.out / "loss-gradients.md", markdown(**frames, about=f"{about}. `{options.command}`"))
    return options.out / "loss-gradients.md"


main = partial(run_command, __doc__, "studies.loss_gradients", run, OPTIONS, smoke=SMOKE)

if __name__ == "__main__":
    sys.exit(main())
