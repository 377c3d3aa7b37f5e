"""The learned discriminator against the optimal one, on data whose density is known."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from gan_zoo import text
from gan_zoo.bench.run import discriminator_estimate
from gan_zoo.device import derive
from gan_zoo.engine import State, advance, start
from gan_zoo.metrics.evaluator import DiscriminatorEstimate
from gan_zoo.metrics.mixture import Points, d_gap, jsd
from gan_zoo.mixture import Array, Mixture, Whole
from gan_zoo.studies import discriminator_charts as charts
from gan_zoo.studies.charts import SCALE
from gan_zoo.studies.discriminator_charts import Moment
from gan_zoo.studies.records import Measure
from gan_zoo.studies.study import Picture, Studied, check_positive, study
from gan_zoo.studies.trained import NotApplicable, Trained

SHOWN = 500
"""Points of a moment that pictures show."""
LEAST_PROBABILITY = 1e-7
"""D and 1 - D are at least this in logarithms: float32 has no probability nearer to 1."""
_STILLS = 4


@study(
    name="optimum",
    title="The discriminator against its optimum",
    question="How near is the discriminator to the optimal one, and the value function to -log 4?",
    reading="V(D, G) + log 4 is 0 for D = 1/2 and at most twice the Jensen-Shannon divergence, which D* reaches: what "
    "is missing to it, D has not learned. Densities are compared in bins, so that differences inside a bin are "
    "invisible. p_g is a histogram, which adds up to (occupied bins - 1) / (4 num_samples) to the divergence, that of "
    "real points too. The run is trained again from its seed.",
    source="Goodfellow et al. 2014, arXiv 1406.2661, proposition 1, theorem 1 and figure 1",
    measures=[
        Measure("value", "V(D, G) + log 4", "", "Value function of D and the trained G above -log 4, in nats."),
        Measure("distance", "|D - D*|", "lower", "Mean distance of D from D* under both densities, D* of G.", (0, 1)),
        Measure(
            "divergence", "2 JSD", "lower", "Twice the Jensen-Shannon divergence, in nats.", (0, float(2 * np.log(2)))
        ),
    ],
)
def optimum(trained: Trained, *, moments: int = 20, num_samples: int = 200_000) -> Studied:
    """Compare D with D* and the value function with its bound, over training and at its end.

    Args:
        trained: on points of known density.
        moments: of training, evenly spaced in the logarithm of the steps.
        num_samples: points of the histogram of p_g.

    Raises:
        NotApplicable: images, a density that is unknown, or a discriminator with another optimum.
    """
    check_positive("moments", moments, 1_000)
    check_positive("num_samples", num_samples, 10_000_000)
    mixture = _density(trained)
    state = start(trained.variant, trained.load_data(), trained.seed, precision=trained.precision)
    if discriminator_estimate(state) is None or trained.sampler.conditional or not trained.steps:
        raise NotApplicable(f"{trained.name}: D does not estimate D* (cross-entropy alone, no packing, no labels)")
    untrained = copy.deepcopy(state.networks.discriminator)
    found = []
    for step in spaced(trained.steps, moments):
        advance(state, step - state.iterations)
        found.append(observe(state, mixture, num_samples))
    mixed = replace(state, networks=state.networks._replace(discriminator=untrained))
    values = [
        *_values(found[0], found[-1], observe(mixed, mixture, num_samples)),
        ("divergence", "real points", 2 * _real_jsd(mixture, num_samples, trained.seed)),
    ]
    return Studied(values, lambda: _pictures(found, mixture), _notes(trained, state))


def _density(trained: Trained) -> Mixture:
    """The known density; raises NotApplicable without one."""
    density = None if trained.is_images else trained.load_data().density
    if density is None:
        raise NotApplicable(f"{trained.name}: D* is known for points of known density alone, e.g. of mixture1d")
    return density


def spaced(steps: int, moments: int) -> list[int]:
    """0, and up to ``moments`` - 1 steps to ``steps``, evenly spaced in their logarithm."""
    return [0, *np.unique(np.geomspace(steps, 1, max(1, moments - 1)).round().astype(int)).tolist()]


def observe(state: State, mixture: Mixture, num_samples: int) -> Moment:
    """Both densities, and the discriminator of a state against the optimal one."""
    estimate = discriminator_estimate(state)
    assert estimate is not None
    points = estimate.generator(num_samples, seed=derive(state.seed, "optimum")).double().cpu().numpy()
    counts = mixture.histogram(points)
    learned = _probabilities(estimate, mixture.centers, state.device)
    stray = _probabilities(estimate, points[(np.abs(points) >= 1).any(axis=1)], state.device)
    compared = Points(points, counts, mixture, learned)
    return Moment(
        step=state.iterations,
        points=points[:SHOWN],
        counts=counts,
        learned=learned,
        value=value(mixture, counts, learned, stray),
        bound=2 * jsd(compared),
        distance=d_gap(compared),
    )


def _probabilities(estimate: DiscriminatorEstimate, points: Array, device: torch.device) -> Array:
    """D (N,) at points (N, D)."""
    at = torch.from_numpy(points).float().to(device)
    return estimate.probability(at).double().cpu().numpy() if len(points) else np.zeros(0)


def value(mixture: Mixture, counts: Whole, learned: Array, stray: Array) -> float:
    """V(D, G) + log 4 in nats (Goodfellow et al. 2014, eq. 1), at most twice the Jensen-Shannon divergence.

    Args:
        mixture: p_data, in its bins.
        counts: of generated points in each bin, and outside of them, (bins^D + 1,).
        learned: D in each bin, (bins^D,).
        stray: D at the generated points outside.
    """
    of_data, of_bins, of_stray = (np.clip(each, LEAST_PROBABILITY, 1) for each in (learned, 1 - learned, 1 - stray))
    generated = counts[:-1] @ np.log(of_bins) + np.log(of_stray).sum()
    return float(mixture.cell_probabilities() @ np.log(of_data) + generated / counts.sum() + np.log(4))


def _values(first: Moment, last: Moment, untrained: Moment) -> list[tuple[str, str, float]]:
    """Rows of the end of training; ``untrained`` is the initial D against the trained G."""
    return [
        ("value", "trained", last.value),
        ("value", "optimal D*", last.bound),
        ("value", "untrained D", untrained.value),
        ("distance", "trained", last.distance),
        ("distance", "untrained D", untrained.distance),
        ("divergence", "trained", last.bound),
        ("divergence", "untrained G", first.bound),
    ]


def _real_jsd(mixture: Mixture, num_samples: int, seed: int) -> float:
    """The Jensen-Shannon divergence of real points, which is that of a histogram alone."""
    points, _ = mixture.sample(num_samples, np.random.default_rng(derive(seed, "real points")))
    return jsd(Points(points, mixture.histogram(points), mixture))


def _notes(trained: Trained, state: State) -> list[str]:
    """A line if the run, trained again, is not the same to the last bit."""
    pairs = zip(state.networks.discriminator.parameters(), trained.discriminator.parameters(), strict=True)
    largest = max(float((again.detach() - stored).abs().max()) for again, stored in pairs)
    if largest == 0:
        return []
    return [
        f"{trained.name}, seed {trained.seed}: trained again, its discriminator differs from the checkpoint's by up to "
        f"{text.number(largest)}; the numbers are of the repetition."
    ]


def _pictures(found: Sequence[Moment], mixture: Mixture) -> list[Picture]:
    """The animation with its still, and the curve of the values."""
    places = np.linspace(0, len(found) - 1, min(_STILLS, len(found))).round().astype(int)
    flat = mixture.dimensions == 1
    caption = (
        "D (blue) and D* (dashed) over x, p_data (gray) and p_g (green), at steps of training."
        if flat
        else "D with generated points, and D*, over the plane, at steps of training. Blue: real, red: generated, "
        "blank: no density."
    )
    frames = [charts.draw_moments([each], mixture) for each in found]
    still = charts.draw_moments([found[place] for place in places], mixture)
    curve = charts.draw_values(found)
    over = "V(D, G) + log 4 of the learned D and of D* over training steps; shaded: what D has not learned."
    return [
        Picture("training", caption, still, frames, milliseconds=350, scale=SCALE),
        Picture("value", over, curve, scale=SCALE),
    ]
