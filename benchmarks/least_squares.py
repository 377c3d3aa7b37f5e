"""How hard cross-entropy and least squares pull at a fake, by how real the discriminator takes it for.

Example: python benchmarks/least_squares.py --data-root DIR
         gan-zoo bench least_squares --preset quick --out FOLDER
         python benchmarks/least_squares.py --contrast FOLDER

The first trains `cgan`, `lsgan` and `lsgan_linear` and writes gradients.csv, fakes.csv, gradients.png, manifest.json
and least_squares.md to --out. The last adds the contrast of final FIDs to what lies in --out already, and measures only
where nothing does.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from script import finish

SMOKE = {"data": "digits", "images": 640, "seeds": 2, "n": 128}


def parser() -> argparse.ArgumentParser:
    """The options."""
    said, _, rest = (__doc__ or "").partition("\n\n")
    made = argparse.ArgumentParser(
        description=said, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = made.add_argument
    add("--data", default="mnist", help="data set (mnist)")
    add("--images", type=int, default=40_000, help="real images that a variant is trained on (40000, batches of 64)")
    add("--seeds", type=int, default=3, help="how many seeds, from 0 on (3)")
    add("--n", type=int, default=4096, help="fakes drawn at each point of training, in whole batches (4096)")
    add("--smoke", action="store_true", help="seconds: the embedded digits, two seeds, a few steps and fakes")
    add("--contrast", type=Path, metavar="FOLDER", help="results of the suite `least_squares` to add to the report")
    add("--device", help="cpu, cuda, cuda:1 ...; by default CUDA if there is one")
    add("--data-root", type=Path, help="folder that holds MNIST")
    add("--out", type=Path, default=Path("results/least_squares"), help="folder to write to (results/least_squares)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and give back the exit status: 2 for bad input, with one line that says what."""
    options = parser().parse_args(arguments)
    if options.smoke:
        vars(options).update(SMOKE)
    return finish(lambda: _run(options))


def _run(options: argparse.Namespace) -> Path:
    check(options)
    from pull.run import run

    return run(options)


def check(options: argparse.Namespace) -> None:
    """Refuse numbers that are none. Raises GanZooError."""
    from gan_zoo.errors import GanZooError

    for name in ("images", "seeds", "n"):
        value = getattr(options, name)
        if value <= 0:
            raise GanZooError(f"--{name} {value} is too few; it must be above 0")


if __name__ == "__main__":
    sys.exit(main())
