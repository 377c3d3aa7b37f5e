"""A fair search: the same number of random trials for every variant, over the ranges of a suite."""

from gan_zoo.search.run import Search, search_suite

__all__ = ["Search", "search_suite"]
