"""The Frechet distance at infinite N: exact lines, and Gaussians whose distance and bias are known."""

import math

import pytest
import torch
from vectors import normal

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.extrapolation import frechet_infinity
from gan_zoo.metrics.frechet import frechet_distance

COUNTS = (500, 1000, 2000, 5000)


def test_an_exact_line_is_read_off() -> None:
    found = frechet_infinity(COUNTS, [[3.0 + 700.0 / n for n in COUNTS]] * 3)
    for estimate, expected in ((found.limit, 3.0), (found.slope, 700.0)):
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((expected,) * 3)
        assert estimate.seeds == 3


def test_the_interval_is_students_over_draws() -> None:
    draws = [[limit + 100.0 / n for n in COUNTS] for limit in (1.0, 2.0, 6.0)]
    found = frechet_infinity(COUNTS, draws).limit
    # Mean 3, standard deviation sqrt(7), t(0.975, 2) = 4.302653.
    assert found.mean == pytest.approx(3.0)
    assert found.high - found.mean == pytest.approx(4.302653 * math.sqrt(7 / 3), rel=1e-6)
    alone = frechet_infinity(COUNTS, draws[:1]).limit
    assert alone.mean == pytest.approx(1.0)
    assert math.isnan(alone.low)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_of_gaussians_the_limit_is_their_distance_and_the_slope_their_bias(shift: float) -> None:
    # For C = I both covariances add |E1 - E2|^2 / 4, each E|E|^2 = D (D + 1) / N, and the means 2 D / N.
    d, counts, draws = 8, (200, 400, 800, 1600), 60
    values = [
        [
            frechet_distance(normal(n, d, 2 * seed + 10_000 * n, shift=shift), normal(n, d, 2 * seed + 1 + 10_000 * n))
            for n in counts
        ]
        for seed in range(draws)
    ]
    found = frechet_infinity(counts, values, confidence=0.999)
    assert found.limit.low < d * shift**2 < found.limit.high
    assert found.limit.high - found.limit.low < 0.12
    expected = 2 * d + d * (d + 1) / 2
    assert found.slope.low < expected < found.slope.high
    if shift == 0.0:
        biased = torch.tensor(values).mean(dim=0)
        assert biased.tolist() == pytest.approx([expected / n for n in counts], rel=0.1)
        assert found.slope.mean == pytest.approx(expected, rel=0.1)
        assert abs(found.limit.mean) < 0.2 * float(biased[-1])


@pytest.mark.parametrize(
    ("counts", "values", "message"),
    [
        ((500, 1000), [1.0, 2.0], "a row a draw"),
        ((500, 1000), [[1.0, 2.0, 3.0]], "a row a draw"),
        ((500, 1000), [], "a row a draw"),
        ((500, 500), [[1.0, 2.0]], "two or more different N"),
        ((0, 500), [[1.0, 2.0]], "two or more different N"),
        ((500, 1000), [[1.0, math.nan]], "must be finite"),
    ],
)
def test_refuses_what_gives_no_line(counts: tuple[int, ...], values: list, message: str) -> None:
    with pytest.raises(GanZooError, match=message):
        frechet_infinity(counts, values)
