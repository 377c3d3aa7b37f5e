"""Write the golden values again: ``make golden``.

It exits with status 2, and writes nothing, where a value has changed and no version that governs it was raised.
"""

import os
import sys
import tempfile
from pathlib import Path

import golden_data
import golden_metrics
import golden_variants
from golden_store import FOLDER, Golden, regenerate

from gan_zoo.io import CACHE_ENV

KINDS = {"variants": golden_variants.goldens, "metrics": golden_metrics.goldens, "data": golden_data.goldens}


def main(kinds: dict[str, dict[str, Golden]] | None = None, folder: Path = FOLDER) -> int:
    """The exit status."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault(CACHE_ENV, cache)
        refused, notes = regenerate(kinds or {kind: goldens() for kind, goldens in KINDS.items()}, folder)
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        print(f"error: golden values are not written: {refused[0]}{more}", file=sys.stderr)
        return 2
    print("\n".join(notes) or "no golden value has changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
