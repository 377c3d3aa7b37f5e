"""``python -m gan_zoo`` is the command ``gan-zoo``, for a checkout that is not installed."""

from gan_zoo.cli import main

main()
