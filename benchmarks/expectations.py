"""Expected ranges: made from a results folder, kept as TOML, and held against a new run."""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo import text
from gan_zoo.bench.collapse import collapse
from gan_zoo.bench.protocol import Protocol, protocols, settings_digest
from gan_zoo.bench.records import RunRecord, read_manifest, read_runs
from gan_zoo.bench.tables import default_extractor, ranked_by
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.registry import METRICS
from gan_zoo.statistics import GEOMETRIC, MINIMUM_SEEDS, prediction_interval

FOUNDING = ("gan", "cgan", "dcgan", "lsgan")
FAMILY = 0.95
"""How often all variants of a machine that is like the one of the records lie in their ranges, at least."""
_HEAD = """\
# Where ONE new seed's value falls, by suite file, preset, point of training (`at_72000_images`, which is `part` of the
# preset's budget) and founding variant, from real runs. `values` are those of the recorded seeds, `low` to `high` is
# their prediction interval (on the logarithm) at `confidence`, which is 1 - (1 - family) / variants, so that chance
# misses any of the variants in at most 1 - family of all checks (Bonferroni). A seed that failed by then has no value:
# see `failures`.
# `settings` are digests of all that decides a variant's numbers: a run of others is not held against the range.
# Written by `python benchmarks/verify.py --update FOLDER`, never by hand.
"""


@dataclass(frozen=True)
class Expectation:
    """The ranges at one point of a preset's training, and the runs that they come from.

    Attributes:
        suite: stem of the suite file's name; preset: of that suite.
        part: share of the preset's budget, 1 for the end.
        measure: the measure whose value is meant.
        family: probability that a new seed of every variant lies in its range.
        confidence: the same for one variant.
        budget: unit and amount of the training of the part.
        seeds: those that the ranges were made from.
        protocol: how it was measured.
        settings: digest of each variant's settings.
        variants: low, high, mean (geometric), failures and values of each.
        source: machine, commit and time of the run.
    """

    suite: str
    preset: str
    part: float
    measure: str
    family: float
    confidence: float
    budget: Mapping[str, float]
    seeds: tuple[int, ...]
    protocol: Protocol
    settings: Mapping[str, str]
    variants: Mapping[str, Mapping[str, Any]]
    source: Mapping[str, str]

    @property
    def title(self) -> str:
        """The measure's title."""
        return METRICS[self.measure].title

    @property
    def failures(self) -> dict[str, str]:
        """How many of a variant's recorded runs had failed by then, e.g. ``1 of 5``, where any had."""
        return {name: f"{facts['failures']} of {facts['failures'] + len(facts['values'])}"
                for name, facts in self.variants.items() if facts["failures"]}  # fmt: skip


def made_from(folder: Path, suites: Path) -> list[Expectation]:
    """The ranges that a results folder gives: at the first point at which no run counts as failed, and at the end.

    The suite file is that of the run's title in the folder ``suites``.

    Raises:
        GanZooError: no results folder, one that is unfinished or lacks a founding variant, one whose data are not of a
            named set, one whose suite is not there, or a variant with fewer than three successful seeds.
    """
    manifest = read_manifest(folder)
    data, own, name = manifest["data"], default_extractor(manifest), str(folder)
    if not str(data["requested"]).isidentifier():
        raise GanZooError(f"{name!r} is of {data['requested']!r}, not of a named data set: it gives no range")
    cells = [cell for cell in read_runs(folder) if cell.begin]
    if len(cells) < len(manifest["cells"]) or any(cell.end is None for cell in cells):
        raise GanZooError(f"{name!r} is unfinished; run its bench again to go on with it")
    trained = [cell for cell in cells if cell.begin["variant"] in FOUNDING]
    if missing := [variant for variant in FOUNDING if variant not in {cell.begin["variant"] for cell in trained}]:
        raise GanZooError(f"{name!r} has no run of {text.listed(missing)}: ranges are of {text.listed([*FOUNDING])}")
    shared = {
        "suite": _suite(suites, manifest, name), "preset": str(manifest["preset"]), "measure": ranked_by(manifest),
        "family": FAMILY, "confidence": 1 - (1 - FAMILY) / len(FOUNDING),
        "seeds": tuple(sorted({int(cell.begin["seed"]) for cell in trained})),
        "protocol": protocols(manifest, cells)[own][0],
        "settings": {cell.begin["variant"]: settings_digest(cell.begin["identity"]["variant"]) for cell in trained},
        "source": {key: str(manifest[key]) for key in ("device", "git_commit", "started") if manifest.get(key)},
    }  # fmt: skip
    found = []
    for part in manifest["evaluate_at"]:
        values = {variant: _values(trained, variant, part, own, shared["measure"]) for variant in FOUNDING}
        few = [variant for variant, (kept, _) in values.items() if len(kept) < MINIMUM_SEEDS]
        if part == 1 and few:
            raise GanZooError(f"fewer than {MINIMUM_SEEDS} seeds of {few[0]} in {name!r} survive: that gives no range")
        if part == 1 or not (few or found or any(failures for _, failures in values.values())):
            ranges = {variant: _range(*values[variant], shared["measure"]) for variant in FOUNDING}
            budget = part_of(manifest["budget"], part)
            found.append(Expectation(part=float(part), budget=budget, variants=ranges, **shared))
    return found


def part_of(budget: Mapping[str, float], part: float) -> dict[str, float]:
    """A part of a budget, without the product's rounding error: a run of 12,800 images has that budget to the bit."""
    return {unit: float(f"{part * amount:.15g}") for unit, amount in budget.items()}


def _suite(suites: Path, manifest: Mapping[str, Any], name: str) -> str:
    """Stem of the suite file that a run was of."""
    title = manifest.get("title")
    found = [path.stem for path in sorted(suites.glob("*.toml"))
             if _title(path) == title]  # fmt: skip
    if len(found) != 1:
        many = f"{text.listed(found)} have" if found else "no suite file has"
        raise GanZooError(f"{name!r} is of the suite {title!r}, and in {str(suites)!r} {many} that title; name one of "
                          "the suite's own folder with --suite")  # fmt: skip
    return found[0]


def _title(path: Path) -> Any:
    """The title that a suite file gives; None where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("title")
    except tomllib.TOMLDecodeError:
        return None


def _values(
    cells: Sequence[RunRecord], variant: str, part: float, extractor: str, measure: str
) -> tuple[list[float], int]:
    """A measure of a variant's runs at a part of their budget, and how many had failed by then."""
    values, failures = [], 0
    for cell in (cell for cell in cells if cell.begin["variant"] == variant):
        rows = {row["extractor"]: row for row in cell.metrics if math.isclose(row["fraction"], part)}
        images = rows[extractor]["images"] if extractor in rows else 0
        history = [row for row in cell.history if row["images"] <= images]
        collapsed = collapse(list(rows.values()), history, probability=cell.begin["score_kind"] == "probability")
        if extractor not in rows or collapsed or (part == 1 and cell.status != "ok"):
            failures += 1
        else:
            values.append(float(rows[extractor]["values"][measure]))
    return values, failures


def _range(values: Sequence[float], failures: int, measure: str) -> dict[str, Any]:
    confidence = 1 - (1 - FAMILY) / len(FOUNDING)
    low, high = prediction_interval(values, log=measure in GEOMETRIC, confidence=confidence)
    mean = math.exp(sum(map(math.log, values)) / len(values))
    return {"low": low, "high": high, "mean": mean, "failures": failures, "values": list(values)}


def write(path: Path, made: Sequence[Expectation]) -> str:
    """Write the ranges of one preset into a file whose other presets stay; gives back the names of its sections."""
    sections = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    suite, preset = made[0].suite, made[0].preset
    sections.setdefault(suite, {})[preset] = {_point(one): _table(one) for one in made}
    blocks = [_section(f"{suite}.{preset}.{_key(point)}", table) for suite in sorted(sections)
              for preset in sorted(sections[suite]) for point, table in sections[suite][preset].items()]  # fmt: skip
    atomic_write(path, "\n".join([_HEAD, *blocks]))
    return ", ".join(f"{suite}.{preset}.{point}" for point in sections[suite][preset])


def _point(made: Expectation) -> str:
    """The name of an expectation's point of training."""
    ((unit, amount),) = made.budget.items()
    return f"at_{amount:.10g}_{unit}"


def _key(name: str) -> str:
    """A key as TOML: one with a dot, as a point within an epoch has, is quoted."""
    return json.dumps(name) if "." in name else name


def _table(made: Expectation) -> dict[str, Any]:
    """An expectation as it is kept: its values with six significant digits."""
    protocol = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(made.protocol).items()}
    keys = ("part", "measure", "family", "confidence", "budget", "source", "settings")
    variants = {name: {key: _short(value) for key, value in facts.items()} for name, facts in made.variants.items()}
    return {key: getattr(made, key) for key in keys} | {"variants": variants} | {
        "seeds": list(made.seeds), "protocol": protocol | {"versions": dict(made.protocol.versions)}}  # fmt: skip


def _section(name: str, table: Mapping[str, Any]) -> str:
    """A table as TOML, its own keys before the tables within."""
    lines = [f"{key} = {_value(value)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    own = [f"[{name}]\n{''.join(lines)}"] if lines else []
    inner = [_section(f"{name}.{key}", value) for key, value in table.items() if isinstance(value, Mapping)]
    return "\n".join([*own, *inner])


def _short(value: Any) -> Any:
    """Floats with six significant digits, alone or in a list."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _value(value: Any) -> str:
    """A value as TOML. JSON writes a string as TOML's basic strings are written."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def read(path: Path, suite: str, preset: str, *, whole: bool = False) -> Expectation:
    """The ranges of a suite's preset, at the first point that has some or at the end.

    Raises:
        GanZooError: the file is not there or damaged, or has no ranges of the preset.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = sections.get(suite, {}).get(preset, {})
        if not parts:
            known = ", ".join(f"{suite} {preset}" for suite, presets in sections.items() for preset in presets)
            raise GanZooError(f"{path} has no ranges for {suite}, preset {preset}; it has: {known or 'none'}")
        facts = (max if whole else min)(parts.values(), key=lambda facts: facts["part"])
        protocol = {key: tuple(value) if isinstance(value, list) else value for key, value in facts["protocol"].items()}
        versions = tuple(sorted(protocol.pop("versions").items()))
        made = facts | {"seeds": tuple(facts["seeds"]), "protocol": Protocol(**protocol, versions=versions)}
        return Expectation(suite=suite, preset=preset, **made)
    except OSError as error:
        raise GanZooError(f"cannot read {path} ({error.strerror}); write it with --update FOLDER") from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise GanZooError(f"{path} is damaged ({error}); write it anew with --update FOLDER") from None


def judged(expected: Expectation, runs: pd.DataFrame) -> list[dict[str, str]]:
    """A row a variant, in words: its value in a run of one seed, its range, and whether the one lies in the other."""
    runs, rows = runs.set_index("variant"), []
    for name, facts in expected.variants.items():
        run = runs.loc[name]
        value = float(run.get(f"final_{expected.measure}_{expected.protocol.extractor[0]}", math.nan))
        reproduced = run["status"] == "ok" and facts["low"] <= value <= facts["high"]
        why = "" if run["status"] == "ok" else f" ({run['status'].replace('_', ' ')})"
        rows.append({
            "variant": name, "value": text.number(value), "range": text.interval(facts["low"], facts["high"]),
            "verdict": "yes" if reproduced else f"no{why}",
        })  # fmt: skip
    return rows
