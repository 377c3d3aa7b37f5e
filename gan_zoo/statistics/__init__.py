"""Statistics over seeds, on scipy: intervals, failure rates, significance tests and planned comparisons."""

from gan_zoo.statistics.comparisons import Contrast, Verdict, contrasts
from gan_zoo.statistics.intervals import (
    ALPHA,
    CONFIDENCE,
    FAILURES,
    MINIMUM_SEEDS,
    Estimate,
    Proportion,
    Sample,
    estimate,
    failure_rate,
    is_failure,
    log_t_interval,
    prediction_interval,
    shared_alpha,
    t_interval,
)
from gan_zoo.statistics.significance import holm, not_different_from_best

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "FAILURES",
    "MINIMUM_SEEDS",
    "Contrast",
    "Estimate",
    "Proportion",
    "Sample",
    "Verdict",
    "contrasts",
    "estimate",
    "failure_rate",
    "holm",
    "is_failure",
    "log_t_interval",
    "not_different_from_best",
    "prediction_interval",
    "shared_alpha",
    "t_interval",
]
