"""Real images' features, with what every evaluation of a run needs of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gan_zoo.errors import GanZooError
from gan_zoo.metrics import frechet, prdc
from gan_zoo.metrics.classification import modes
from gan_zoo.metrics.features import Features, require_logits
from gan_zoo.metrics.memorization import nearest


@dataclass(frozen=True, eq=False)
class Reference:
    """Real images' features, with all that every evaluation of a run needs of them computed once, when first used.

    Attributes:
        features: of the N real images, none of which was trained on.
        training: feature vectors float32 (M, D) of the training images, on the same device; None where they are not
            known, and then nothing is said of memorization.
    """

    features: Features
    training: Tensor | None = None

    @cached_property
    def moments(self) -> frechet.Moments:
        """Mean and covariance, for the Frechet distance."""
        return frechet.moments(self.features.vectors)

    @cached_property
    def kernel_sum(self) -> Tensor:
        """Sum of the kernel over pairs of real images, for the kernel distance."""
        return frechet.kernel_sum(self.features.vectors)

    @cached_property
    def radii(self) -> Tensor:
        """Radii (N, 2) of the balls around the real images: for precision and recall, for density and coverage."""
        return prdc.neighbor_radii(self.features.vectors)

    @cached_property
    def training_distances(self) -> Tensor:
        """Distance (N,) of each real image to its nearest training image."""
        return self.nearest_training(self.features)

    def nearest_training(self, images: Features) -> Tensor:
        """Distance (N,) of each image to its nearest training image. Raises GanZooError without training features."""
        if self.training is None:
            raise GanZooError("memorization needs the training images' features: give Reference(..., training=)")
        return nearest(images.vectors, self.training).distances[:, 0]

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

        Left out is what concerns the training images, which do not depend on N.

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
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], extractor: str, *, training: Tensor | None = None
    ) -> "Reference":
        """The reference that `to_tensors` took apart; its figures are equal to the last bit."""
        reference = cls(Features(tensors["vectors"], tensors.get("logits"), extractor), training)
        moments = frechet.Moments(tensors["mean"].cpu(), tensors["covariance"].cpu(), len(reference.features))
        # Where cached properties keep their values.
        vars(reference).update(moments=moments, kernel_sum=tensors["kernel_sum"], radii=tensors["radii"])
        return reference
