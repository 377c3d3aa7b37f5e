"""Measures of generated images: feature extractors, and pure functions of the features that they give."""

from gan_zoo.metrics.registry import (METRICS, Metric)
from gan_zoo.metrics.classification import (class_kl, inception_score, label_accuracy, modes, modes_hit)
from gan_zoo.metrics.memorization import (memorization, nearest)
from gan_zoo.metrics.frechet import (Moments, frechet_distance, kernel_distance, kernel_sum, moments)
from gan_zoo.metrics.extractors import load_extractor
from gan_zoo.metrics.features import Extractor, ExtractorUnavailable, Features
from gan_zoo.metrics.prdc import (density_coverage, neighbor_radii, overlap, precision_recall)
from gan_zoo.metrics.measures import measure
from gan_zoo.metrics.reference import Reference

__all__ = [
    "METRICS",
    "Extractor",
    "ExtractorUnavailable",
    "Features",
    "Metric",
    "Moments",
    "Reference",
    "class_kl",
    "density_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "kernel_sum",
    "label_accuracy",
    "load_extractor",
    "measure",
    "memorization",
    "modes",
    "modes_hit",
    "moments",
    "nearest",
    "neighbor_radii",
    "overlap",
    "precision_recall",
]
