"""The one error that a person is meant to read."""

import difflib
from collections.abc import Iterable


class GanZooError(Exception):
    """Bad input or a missing thing: one line that names the thing, the value and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> GanZooError:
    """An error for a name that is not there, with the nearest name and all known ones.

    Example: ``unknown variant 'cgna'; did you mean 'cgan'? Known: cgan, dcgan, gan``.
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    return GanZooError(f"unknown {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}")
