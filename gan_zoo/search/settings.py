"""What a search was begun with, kept in its folder: another search's trials do not belong beside its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_zoo.bench.identity import decisive
from gan_zoo.bench.plan import Plan
from gan_zoo.bench.records import plain, write_json
from gan_zoo.errors import GanZooError
from gan_zoo.io import differences
from gan_zoo.search.space import Ranges, Space

SETTINGS = "search.json"
_SHOWN = 3  # differences that an error names
_LONG = 40  # characters of a value in an error


def settings_of(plan: Plan, seed: int, ranges: Ranges, spaces: Mapping[str, Space]) -> dict[str, Any]:
    """All that decides the trials of a search, from the plan of its defaults; the number of trials may grow."""
    trained = {cell.variant_name: cell.identity for cell in plan.runs() if cell.variant is not None}
    settings = {
        "seed": seed,
        "training seed": plan.seeds[0],
        "preset": plan.preset_name,
        "budget": plan.preset.budget,
        "evaluate_at": plan.evaluate_at,
        "ranges": ranges.model_dump(),
        "measured": plan.measurements,
        "variants": {name: {**decisive(trained[name]), "varied": space.words()} for name, space in spaces.items()},
    }
    kept: dict[str, Any] = json.loads(json.dumps(plain(settings)))
    return kept


def keep(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings into the folder, or compare them with those that it holds; further variants are added.

    Raises:
        GanZooError: the folder holds another search; one line with what differs.
    """
    path = folder / SETTINGS
    held = _read(path) if path.is_file() else {}
    known = held.get("variants", {})
    mine = {**settings, "variants": {name: said for name, said in settings["variants"].items() if name in known}}
    theirs = {**held, "variants": {name: said for name, said in known.items() if name in settings["variants"]}}
    found = [f"{key} {_short(one)}, not {_short(other)}" for key, one, other in differences(theirs, mine)]
    if held and found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise GanZooError(
            f"{str(folder)!r} holds another search ({'; '.join(found[:_SHOWN])}{more}); name another --out"
        )
    write_json(path, {**settings, "variants": {**known, **settings["variants"]}})


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GanZooError(f"{path} is damaged ({error}); name another --out") from None
    if not isinstance(held, dict) or not isinstance(held.get("variants"), dict):
        raise GanZooError(f"{path} holds no settings of a search; name another --out")
    return held


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
