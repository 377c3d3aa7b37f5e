"""A fair search: the same number of random trials for every variant, over declared ranges."""

from gan_zoo.search.run import Search, search_options, search_suite

__all__ = ["Search", "search_options", "search_suite"]
