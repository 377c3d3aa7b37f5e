"""Statistics over seeds, on scipy: intervals, failure rates, and comparisons that say how far they can be believed."""

from gan_zoo.statistics.comparisons import Contrast, Verdict, contrasts
from gan_zoo.statistics.failures import Proportion, failure_rate
from gan_zoo.statistics.intervals import (
    CONFIDENCE,
    FAILURES,
    GEOMETRIC,
    Estimate,
    estimate,
    is_failure,
    log_t_interval,
    overlap,
    prediction_interval,
    t_interval,
)
from gan_zoo.statistics.ranking import tied_with_best
from gan_zoo.statistics.samples import ALPHA, MINIMUM_SEEDS, Sample, shared_alpha

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "FAILURES",
    "GEOMETRIC",
    "MINIMUM_SEEDS",
    "Contrast",
    "Estimate",
    "Proportion",
    "Sample",
    "Verdict",
    "contrasts",
    "estimate",
    "failure_rate",
    "is_failure",
    "log_t_interval",
    "overlap",
    "prediction_interval",
    "shared_alpha",
    "t_interval",
    "tied_with_best",
]
