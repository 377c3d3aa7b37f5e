"""Where things are kept that can be made again: downloads, and what is computed once."""

import os
from pathlib import Path

from platformdirs import user_cache_path

CACHE_ENV = "GAN_ZOO_CACHE"


def cache_root() -> Path:
    """The folder that the environment's GAN_ZOO_CACHE names, else the user's cache folder for gan-zoo; maybe not there.

    Example: ``~/.cache/gan-zoo``. Each kind of content has a folder of its own below it, e.g. ``data``.
    """
    named = os.environ.get(CACHE_ENV)
    return Path(named).expanduser() if named else user_cache_path("gan-zoo")
