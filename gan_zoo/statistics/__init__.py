"""Statistics over seeds, on scipy: intervals, failure rates, significance tests and planned comparisons."""

from gan_zoo.statistics.comparisons import Contrast as Contrast
from gan_zoo.statistics.comparisons import contrasts as contrasts
from gan_zoo.statistics.intervals import ALPHA as ALPHA
from gan_zoo.statistics.intervals import CONFIDENCE as CONFIDENCE
from gan_zoo.statistics.intervals import MINIMUM_SEEDS as MINIMUM_SEEDS
from gan_zoo.statistics.intervals import Estimate as Estimate
from gan_zoo.statistics.intervals import Proportion as Proportion
from gan_zoo.statistics.intervals import Sample as Sample
from gan_zoo.statistics.intervals import estimate as estimate
from gan_zoo.statistics.intervals import failure_rate as failure_rate
from gan_zoo.statistics.intervals import is_failure as is_failure
from gan_zoo.statistics.intervals import log_t_interval as log_t_interval
from gan_zoo.statistics.intervals import prediction_interval as prediction_interval
from gan_zoo.statistics.intervals import shared_alpha as shared_alpha
from gan_zoo.statistics.intervals import t_interval as t_interval
from gan_zoo.statistics.significance import AllPairs as AllPairs
from gan_zoo.statistics.significance import all_pairs as all_pairs
from gan_zoo.statistics.significance import holm as holm
