"""Shared by the studies and the timings: command lines, digests, Markdown tables, facts of the machine."""

import argparse
import datetime
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo import text
from gan_zoo.errors import GanZooError

# `speed/cuda.py` names the packages that a machine lacks, and `speed/startup.py` needs the memory for other programs.
if TYPE_CHECKING:
    import pandas as pd
    import torch

ROOT = Path(__file__).parent.parent

Options = Mapping[str, tuple[Any, str]]
"""Default (or type, without a default) and help of each option; a list takes several values."""


class NotReproduced(GanZooError):
    """A value is not the expected one."""


def run_command(
    doc: str | None,
    module: str,
    run: Callable[[argparse.Namespace], Any],
    options: Options,
    arguments: Sequence[str] | None = None,
    *,
    smoke: Mapping[str, Any] | None = None,
) -> int:
    """The ``main`` of a module: parse options, call ``run`` with them and print its result; the help is its docstring.

    ``smoke`` are the settings of the option --smoke. The namespace has the command line as ``command``. Returns the
    exit status: 0, 1 for NotReproduced, 2 for bad input, 130 if interrupted.
    """
    first, _, rest = (doc or "").partition("\n\n")
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=first, epilog=rest, formatter_class=formatter, allow_abbrev=False)
    for name, (default, explanation) in options.items():
        known = {} if isinstance(default, type) else {"default": default}
        explained = f"{explanation} ({default})" if known else explanation
        if default is bool:
            parser.add_argument(name, action="store_true", help=explained)
        elif isinstance(default, list):
            parser.add_argument(name, nargs="+", type=type(default[0]), help=explained, **known)
        else:
            parser.add_argument(name, type=type(default) if known else default, help=explained, **known)
    if smoke is not None:
        parser.add_argument("--smoke", action="store_true", help=f"seconds: {dict(smoke)}")
    chosen = parser.parse_args(arguments)
    if smoke is not None and chosen.smoke:
        vars(chosen).update(smoke)
    words = sys.argv[1:] if arguments is None else arguments
    chosen.command = shlex.join(["python", "-m", f"benchmarks.{module}", *map(str, words)])
    try:
        result = run(chosen)
    except GanZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, NotReproduced) else 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(result)
    return 0


def require_positive(options: argparse.Namespace, *names: str) -> None:
    """Raises GanZooError if one of these options is set and not above 0."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise GanZooError(f"--{name.replace('_', '-')} {value:g} is too few; it must be above 0")


def digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) of the names and bytes of files, in the order of their paths."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.as_posix()):
        total.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def table(frame: "pd.DataFrame") -> str:
    """A data frame as a Markdown table, floats with three significant digits."""
    heads = [str(column) for column in frame]
    rows = [
        [text.number(value) if isinstance(value, float) else value for value in row]
        for row in frame.itertuples(index=False)
    ]
    return text.markdown_table(heads, rows, left=heads[:1])


def save(out: Path, name: str, facts: dict[str, Any], rows: "pd.DataFrame", report: str) -> Path:
    """Write rows as ``name``.csv, facts as .json and a report as .md, whose path is returned."""
    from gan_zoo.io import atomic_write

    atomic_write(out / f"{name}.csv", rows.to_csv(index=False, lineterminator="\n", float_format="%.8g"))
    atomic_write(out / f"{name}.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")
    atomic_write(out / f"{name}.md", report)
    return out / f"{name}.md"


def machine(device: "torch.device") -> dict[str, Any]:
    """Device, processor, memory in bytes, and versions."""
    import psutil
    import torch
    import torchvision

    from gan_zoo.device import cores, describe

    on_cuda = device.type == "cuda"
    return {
        "device": describe(device),
        "processor": describe(torch.device("cpu")).rpartition(",")[0],
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "device_memory_bytes": torch.cuda.get_device_properties(device).total_memory if on_cuda else None,
        "system": platform.platform(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "cuda": torch.version.cuda if on_cuda else None,
        },
    }


def provenance(device: "torch.device", command: str) -> dict[str, Any]:
    """Date, command, commit and machine of a measurement."""
    from gan_zoo.io import git_commit

    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"date": date, "command": command, "commit": git_commit(), "machine": machine(device)}
