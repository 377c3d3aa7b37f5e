"""Real images' features, with what every evaluation of a run needs of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gan_zoo.metrics import distances, manifold
from gan_zoo.metrics.classes import modes
from gan_zoo.metrics.features import Features, require_logits


@dataclass(frozen=True, eq=False)
class Reference:
    """Real images' features, with all that every evaluation of a run needs of them computed once, when first used."""

    features: Features

    @cached_property
    def moments(self) -> distances.Moments:
        """Mean and covariance, for the Frechet distance."""
        return distances.moments(self.features.vectors)

    @cached_property
    def kernel_sum(self) -> Tensor:
        """Sum of the kernel over pairs of real images, for the kernel distance."""
        return distances.kernel_sum(self.features.vectors)

    @cached_property
    def radii(self) -> Tensor:
        """Radii (N, 2) of the balls around the real images: for precision and recall, for density and coverage."""
        return manifold.neighbor_radii(self.features.vectors)

    @cached_property
    def predicted(self) -> Tensor:
        """Class (N,) that the classifier finds in each real image."""
        return require_logits(self.features).argmax(dim=1)

    @property
    def modes(self) -> int:
        """Number of classes that the classifier finds in at least 1% of the real images."""
        return modes(self.predicted, require_logits(self.features).shape[1])

    def to_tensors(self) -> dict[str, Tensor]:
        """Features and statistics by name, all computed now: what `from_tensors` makes an equal reference of.

        Raises:
            GanZooError: fewer than 6 images, or rows that are not finite.
        """
        tensors = {
            "vectors": self.features.vectors,
            "mean": self.moments.mean,
            "covariance": self.moments.covariance,
            "kernel_sum": self.kernel_sum,
            "radii": self.radii,
        }
        return tensors if self.features.logits is None else tensors | {"logits": self.features.logits}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], extractor: str) -> "Reference":
        """The reference that `to_tensors` took apart; its figures are equal to the last bit."""
        reference = cls(Features(tensors["vectors"], tensors.get("logits"), extractor))
        moments = distances.Moments(tensors["mean"].cpu(), tensors["covariance"].cpu(), len(reference.features))
        # Where cached properties keep their values.
        vars(reference).update(moments=moments, kernel_sum=tensors["kernel_sum"], radii=tensors["radii"])
        return reference
