"""How far the suite's statistics can be believed: coverage of its intervals, differences declared where there is none.

Example: python benchmarks/trust.py coverage
         gan-zoo bench aa --preset quick --out results/trust/aa
         python benchmarks/trust.py aa results/trust/aa
         python benchmarks/trust.py same runs/first runs/second

`coverage` simulates and writes coverage.json; `aa` makes families of equal names out of one variant's recorded seeds,
asks of each what the report would declare, plants differences to see which are found, and writes aa.json. Both write
trust.md, the tables of whatever lies in --out. `same` tells whether a suite that was run twice gave the same tables,
timings apart; the exit status is 1 where it did not.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from script import finish


def parser() -> argparse.ArgumentParser:
    """The options."""
    said, _, rest = (__doc__ or "").partition("\n\n")
    made = argparse.ArgumentParser(
        description=said, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    coverage = commands.add_parser("coverage", help="how often intervals hold what they aim at, by simulation")
    alike = commands.add_parser("aa", help="how often a difference is declared among names for one variant, and power")
    alike.add_argument("folder", type=Path, metavar="FOLDER", help="results with at least 40 seeds of a variant")
    twice = commands.add_parser("same", help="whether two runs of one suite gave the same tables, timings apart")
    for place in ("first", "second"):
        twice.add_argument(place, type=Path, metavar=place.upper(), help="a results folder")
    for command in (coverage, alike):
        command.add_argument("--out", type=Path, default=Path("results/trust"), help="folder to write to")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and give back the exit status: 2 for bad input, with one line that says what."""
    options = parser().parse_args(arguments)
    if options.command == "same":
        return _same(options)
    words = sys.argv[1:] if arguments is None else arguments
    return finish(lambda: _run(options, f"python benchmarks/trust.py {shlex.join(map(str, words))}"))


def _run(options: argparse.Namespace, command: str) -> Path:
    from reliability.write import AA, COVERAGE, save

    if options.command == "coverage":
        from reliability.coverage import coverage
        from reliability.improvement import improvement_coverage

        return save(options.out, COVERAGE, {"command": command} | coverage() | {"improvement": improvement_coverage()})
    from reliability.alike import alike
    from reliability.families import recorded

    return save(options.out, AA, {"command": command} | alike(recorded(options.folder)))


def _same(options: argparse.Namespace) -> int:
    from reliability.same import Unlike, same

    try:
        return finish(lambda: same(options.first, options.second))
    except Unlike as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
