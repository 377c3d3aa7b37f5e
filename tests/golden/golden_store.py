"""Golden values: stored numbers, how near to them fresh ones must be, and when they may be replaced.

The tolerances are at least five times the largest difference measured with torch 2.15 between instruction sets
(ATEN_CPU_CAPABILITY default, avx2 and avx512, MKL_CBWR COMPATIBLE and AVX2, ONEDNN_MAX_CPU_ISA SSE41 and AVX2), with
oneDNN and without, and with one thread and two:

- float64 runs: 4e-8 with AVX2, 1e-6 without (there the initial weights are 1e-8 apart); steps of the weights 5e-7 and
  1e-4, as Adam amplifies gradients near its epsilon;
- float32 runs: 2e-3, from a unit near its kink; steps 4e-3;
- metrics and extractors: 4e-6. Counts (modes, precision ...) and fingerprints never differed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_zoo.io import atomic_write

FOLDER = Path(__file__).parent
Values = dict[str, list[float] | str]
"""Numbers, or a text that must be equal, by name. All numbers of a list are compared on one scale, the largest's."""
_DIGITS = {"float64": 12, "float32": 6, "measured": 8}
_TOLERANCES = {"float64": 1e-5, "float32": 1e-2, "measured": 1e-4}
_STEP_TOLERANCES = {"float64": 1e-3, "float32": 4e-2}
"""Largest difference relative to the scale of its list, by the first word of a value's name."""
_FLOOR, _SMALL_FLOOR = 1e-2, 1e-4
"""Least scale of a list: scores and losses near 0 are sums that cancel; steps and an objective's state do not."""
STEP = "moved"
"""Last word of the names of steps of the weights."""


class Unavailable(Exception):
    """The values cannot be computed on this machine; the message says why."""


@dataclass(frozen=True)
class Golden:
    """What one entry of a file is made of: the versions and revisions that govern its values, and how to have them."""

    made_under: Mapping[str, int]
    values: Callable[[], Values]


def summary(vector: Tensor) -> list[float]:
    """The length of a vector, and its product with a fixed vector of random signs."""
    signs = torch.randint(2, (vector.numel(),), generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    vector = vector.double().flatten()
    return [vector.norm().item(), (vector @ signs).item()]


def read(kind: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The entries of a file, by name; none where there is no file yet."""
    path = folder / f"{kind}.json"
    return json.loads(path.read_text(encoding="utf-8"))["entries"] if path.exists() else {}


def differences(stored: Values, fresh: Values) -> list[str]:
    """One line for each stored value that a fresh one differs from beyond its tolerance, or that is gone."""
    found = []
    for name, old in stored.items():
        new = fresh.get(name)
        if new is None:
            found.append(f"{name} is gone")
        elif isinstance(old, str) or isinstance(new, str) or len(old) != len(new):
            found += [f"{name} was {old} and is {new}"] if old != new else []
        else:
            error = relative_error(name, old, new)
            allowed = (_STEP_TOLERANCES if name.endswith(STEP) else _TOLERANCES)[name.split()[0]]
            # A NaN is no small difference.
            if not error <= allowed:
                found.append(
                    f"{name} was {_joined(old)} and is {_joined(new)} (difference {error:.1e} > {allowed:.0e})"
                )
    return found


def relative_error(name: str, old: list[float], new: list[float]) -> float:
    """The largest difference of two lists of numbers, relative to their scale; NaN where a fresh value is."""
    scale = max(*map(abs, old), _SMALL_FLOOR if name.endswith(STEP) or " state/" in name else _FLOOR)
    return float(torch.tensor([abs(a - b) / scale for a, b in zip(old, new, strict=True)]).max())


def _joined(values: list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def is_raised(stored: Mapping[str, int], current: Mapping[str, int]) -> bool:
    """Whether the versions differ from the stored ones and none is below."""
    return dict(stored) != dict(current) and all(current.get(name, old) >= old for name, old in stored.items())


def advice(made_under: Mapping[str, int]) -> str:
    """What to do about values that have changed."""
    return f"undo the change, or raise {' or '.join(made_under)}; then run `make golden`"


def regenerate(kinds: Mapping[str, Mapping[str, Golden]], folder: Path = FOLDER) -> tuple[list[str], list[str]]:
    """Write the files of all kinds, unless a value has changed and no version that governs it was raised.

    Entries whose values have not changed keep their stored numbers; those that cannot be computed here stay whole.

    Returns:
        Why nothing was written (empty if the files were), and what was written or left out; a line each.
    """
    refused: list[str] = []
    notes: list[str] = []
    texts: dict[Path, str] = {}
    for kind, goldens in kinds.items():
        stored = read(kind, folder)
        entries: dict[str, Any] = {}
        for name, golden in goldens.items():
            earlier = stored.get(name, {"made_under": {}, "values": {}})
            try:
                fresh = golden.values()
            except Unavailable as why:
                entries[name] = earlier if earlier["values"] else {"made_under": dict(golden.made_under), "values": {}}
                notes.append(f"{kind}: {name} is left as it was: {why}")
                continue
            changed = differences(earlier["values"], fresh)
            if changed and not is_raised(earlier["made_under"], golden.made_under):
                refused.append(f"{name}: {changed[0]}; {advice(golden.made_under)}")
            unchanged = {} if changed else earlier["values"]
            entries[name] = {"made_under": dict(golden.made_under), "values": _rounded(fresh) | unchanged}
            if entries[name] != earlier:
                notes.append(f"{kind}: {name} is {'changed' if name in stored else 'new'}")
        notes += [f"{kind}: {name} is gone" for name in stored if name not in goldens]
        if entries != stored:
            texts[folder / f"{kind}.json"] = _text(entries)
    if not refused:
        for path, text in texts.items():
            atomic_write(path, text)
    return refused, notes


def _rounded(values: Values) -> Values:
    return {
        name: value if isinstance(value, str) else [float(f"{v:.{_DIGITS[name.split()[0]]}g}") for v in value]
        for name, value in values.items()
    }


def _text(entries: Mapping[str, Any]) -> str:
    """JSON with a line a value, so that a diff shows which one changed."""
    parts = []
    for name in sorted(entries):
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in entries[name]["values"].items()]
        inner = ",\n      ".join(lines)
        inside = f"\n      {inner}\n    " if lines else ""
        under = json.dumps(entries[name]["made_under"])
        parts.append(f'{json.dumps(name)}: {{\n    "made_under": {under},\n    "values": {{{inside}}}\n  }}')
    return f'{{"torch": {json.dumps(torch.__version__)}, "entries": {{\n  ' + ",\n  ".join(parts) + "\n}}\n"
