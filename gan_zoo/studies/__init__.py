"""What a trained GAN has learned: studies of its latent space, its networks and its samples."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_zoo.studies.class_shares import collapse
    from gan_zoo.studies.discriminator_features import features
    from gan_zoo.studies.feature_dropout import dropout
    from gan_zoo.studies.filter_images import filters
    from gan_zoo.studies.latent_arithmetic import arithmetic
    from gan_zoo.studies.latent_walk import walk
    from gan_zoo.studies.nearest_images import memorization
    from gan_zoo.studies.optimal_discriminator import optimum

STUDIES = {
    "walk": "latent_walk",
    "arithmetic": "latent_arithmetic",
    "features": "discriminator_features",
    "filters": "filter_images",
    "dropout": "feature_dropout",
    "optimum": "optimal_discriminator",
    "collapse": "class_shares",
    "memorization": "nearest_images",
}
"""Modules of the studies by name, in their order."""

__all__ = ["arithmetic", "collapse", "dropout", "features", "filters", "memorization", "optimum", "walk"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and the report, which imports none, reads the records of studies.
    if name in STUDIES:
        return getattr(importlib.import_module(f"gan_zoo.studies.{STUDIES[name]}"), name)
    raise AttributeError(f"module 'gan_zoo.studies' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
