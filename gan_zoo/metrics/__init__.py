"""Metrics of generated samples: feature extractors, and functions of features. Nothing is imported here."""
