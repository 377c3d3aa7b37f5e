"""Time the engine against the loop that tutorials write, and against what the machine can do.

Example: python benchmarks/speed.py --variants gan,cgan,dcgan,lsgan --rounds 7

Writes DEVICE.json, DEVICE.md and DEVICE.png to --out, anew after every variant.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from script import finish

PARTS = ("peaks", "rows", "evaluation", "together", "startup")


def words(text: str) -> list[str]:
    """The words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def parser() -> argparse.ArgumentParser:
    """The options."""
    said, _, rest = (__doc__ or "").partition("\n\n")
    made = argparse.ArgumentParser(
        description=said, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = made.add_argument
    add("--variants", type=words, default=["gan", "cgan", "dcgan", "lsgan"], help="by commas (the articles' four)")
    add("--device", help="cpu, cuda, cuda:1 ...; by default CUDA if there is one")
    add("--threads", type=int, help="CPU threads of each process; all cores by default")
    add("--rounds", type=int, default=7, help="rounds wanted that no other load spoilt (7)")
    add("--seconds-per-round", type=float, help="seconds a mode trains in each round (2 on a CPU, 1 on CUDA)")
    add("--minutes", type=float, help="end in this time, with what has been measured until then")
    add("--resume", action="store_true", help="keep what is in the file already, if it is of this very code")
    add("--profile", action="store_true", help="also tell where a step's time goes, in the engine's modes")
    add("--parts", type=words, default=list(PARTS), help=f"by commas, of {', '.join(PARTS)}; all by default")
    add("--results", type=Path, help="a folder of `gan-zoo bench`, for the share of evaluation in a run")
    add(
        "--quality",
        type=Path,
        nargs=2,
        metavar=("EXACT", "FAST"),
        help="folders of the suite `precision` in fp32 and in a fast precision: what the latter costs in FID",
    )
    add("--out", type=Path, default=Path("results/speed"), help="folder for the report (results/speed)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and give back the exit status: 2 for bad input, with one line that says what."""
    options = parser().parse_args(arguments)
    return finish(lambda: _run(options), interrupted="--resume goes on from here")


def _run(options: argparse.Namespace) -> Path:
    check(options)
    from timing.run import Speed

    run = Speed(options)
    run.run()
    return run.path.with_suffix(".md")


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot be measured, before anything is.

    Raises:
        GanZooError: an unknown variant or part, or a number that is none.
    """
    from gan_zoo import registry
    from gan_zoo.errors import GanZooError, unknown

    for kind, given, known in (("variant", options.variants, registry.names()), ("part", options.parts, PARTS)):
        for name in given:
            if name not in known:
                raise unknown(kind, name, known)
        if not given:
            raise GanZooError(f"no {kind} is named; name one or more of {', '.join(known)}")
    for name in ("threads", "rounds", "seconds_per_round", "minutes"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise GanZooError(f"--{name.replace('_', '-')} {value:g} is too few; it must be above 0")


if __name__ == "__main__":
    sys.exit(main())
