"""What a measurement leaves on disk, and how it is read back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_zoo.errors import GanZooError


@dataclass(frozen=True)
class Measurement:
    """The tables of `bins.binned` and `bins.by_region`, and the manifest: settings, machine, commit, contrast."""

    gradients: pd.DataFrame
    fakes: pd.DataFrame
    manifest: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Measurement | None":
        """What lies in a folder; None where there is no manifest. Raises GanZooError where a file is damaged."""
        path = folder / "manifest.json"
        if not path.is_file():
            return None
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            made = cls(pd.read_csv(folder / "gradients.csv"), pd.read_csv(folder / "fakes.csv"), manifest)
            manifest["settings"]["fractions"], manifest["neighbors"]["far"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GanZooError(
                f"{folder} holds no measurement that can be read ({error!r}); name another --out"
            ) from None
        return made

    @property
    def seeds(self) -> str:
        """The seeds in words, e.g. ``seeds 0, 1, 2``."""
        return f"seeds {', '.join(str(seed) for seed in range(self.manifest['settings']['seeds']))}"
