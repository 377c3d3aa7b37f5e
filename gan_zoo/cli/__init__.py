"""The command line: one thin command a verb."""

from gan_zoo.cli.app import main

__all__ = ["main"]
