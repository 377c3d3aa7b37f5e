"""A report that is written by another process, for tests of when it is."""

import time
from pathlib import Path


def write(folder: Path) -> None:
    """Append a line to the file ``page``; fails while ``broken`` exists, and waits while ``slow`` does."""
    assert not (folder / "broken").exists()
    (folder / ".page.part").touch()
    while (folder / "slow").exists():
        time.sleep(0.05)
    with (folder / "page").open("a") as page:
        page.write("written\n")
