"""All measures of one set of generated images against one reference, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gan_zoo.errors import GanZooError, unknown
from gan_zoo.metrics import classification, frechet, prdc
from gan_zoo.metrics.checks import require_finite, require_same_shape
from gan_zoo.metrics.features import OF_LOGITS, Features, require_logits
from gan_zoo.metrics.memorization import memorization
from gan_zoo.metrics.reference import Reference
from gan_zoo.metrics.registry import METRICS


@dataclass(frozen=True)
class _Case:
    """One call of `measure`: what its measures are computed from."""

    fake: Features
    real: Reference
    asked: Tensor | None

    @cached_property
    def predicted(self) -> Tensor:
        return require_logits(self.fake).argmax(dim=1)

    @property
    def classes(self) -> int:
        return require_logits(self.fake).shape[1]

    def label_accuracy(self) -> float:
        if self.asked is None:
            raise GanZooError("label_accuracy needs the classes that were asked for")
        return classification.label_accuracy(self.predicted, self.asked)


# The names that one computation gives, and the computation.
_COMPUTATIONS: dict[tuple[str, ...], Callable[[_Case], tuple[float, ...]]] = {
    ("fid",): lambda case: (frechet.frechet_distance(case.fake.vectors, case.real.moments),),
    ("is",): lambda case: (classification.inception_score(require_logits(case.fake)),),
    ("kid",): lambda case: (
        frechet.kernel_distance(case.fake.vectors, case.real.features.vectors, real_sum=case.real.kernel_sum),
    ),
    ("precision", "recall", "density", "coverage"): lambda case: prdc.overlap(
        case.fake.vectors, case.real.features.vectors, radii=case.real.radii
    ),
    ("modes",): lambda case: (float(classification.modes(case.predicted, case.classes)),),
    ("modes_hit",): lambda case: (float(classification.modes_hit(case.predicted, case.classes)),),
    ("class_kl",): lambda case: (classification.class_kl(case.predicted, case.real.predicted, case.classes),),
    ("label_accuracy",): lambda case: (case.label_accuracy(),),
    ("memorization",): lambda case: (
        memorization(case.real.nearest_training(case.fake), case.real.training_distances),
    ),
}

MEASURED = tuple(name for name in METRICS if any(name in given for given in _COMPUTATIONS))
"""Names of the measures of features, in the catalogue's order."""


def measure(
    fake: Features,
    real: Reference | Features,
    *,
    asked: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, float]:
    """Figures of N generated images against as many real ones, by name, in the catalogue's order.

    Args:
        fake: features of the generated images.
        real: features of the real images by the same extractor; a `Reference` where it serves many calls, and for
            `memorization`, which needs the training images' features.
        asked: class asked for in each generated image, int64 (N,), for `label_accuracy`.
        names: measures wanted, of `MEASURED`; without it all that the input allows.

    Raises:
        GanZooError: an unknown name, one that needs logits or classes that are not there, features of another extractor
            or another N, rows that are not finite (with the extractor and their count), or too few images.
    """
    reference = real if isinstance(real, Reference) else Reference(real)
    _check(fake, reference.features)
    wanted = _available(fake, reference, asked) if names is None else _known(names)
    case = _Case(fake, reference, asked)
    values: dict[str, float] = {}
    for given, compute in _COMPUTATIONS.items():
        if wanted.intersection(given):
            values.update(zip(given, compute(case), strict=True))
    return {name: values[name] for name in MEASURED if name in wanted}


def _available(fake: Features, real: Reference, asked: Tensor | None) -> frozenset[str]:
    """The measures that the input allows."""
    names = frozenset(MEASURED)
    if fake.logits is None:
        names -= OF_LOGITS
    if real.training is None:
        names -= {"memorization"}
    return names if asked is not None else names - {"label_accuracy"}


def _known(names: Sequence[str]) -> frozenset[str]:
    """The names as a set, once each is known to be a measure of features."""
    for name in names:
        if name not in MEASURED:
            raise unknown("metric", name, MEASURED)
    return frozenset(names)


def _check(fake: Features, real: Features) -> None:
    """Refuse features that cannot be compared, before any figure is computed from them."""
    if fake.extractor != real.extractor:
        raise GanZooError(
            f"fake features are of extractor {fake.extractor!r}, real ones of {real.extractor!r}; use one for both"
        )
    for side, features in (("fake", fake), ("real", real)):
        require_finite(features.vectors, f"{side} features of extractor {features.extractor!r}")
        if features.logits is not None:
            require_finite(features.logits, f"{side} logits of extractor {features.extractor!r}")
    require_same_shape(fake.vectors.shape, real.vectors.shape)
