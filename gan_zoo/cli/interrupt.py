"""Ctrl-C with a word on what was kept."""

from gan_zoo.errors import GanZooError

STATUS = 130
"""Exit status of a command that Ctrl-C ended, as shells have it."""


class Interrupted(GanZooError):
    """Ctrl-C ended a command that kept what it had; one line says where."""
