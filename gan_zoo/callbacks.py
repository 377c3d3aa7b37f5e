"""Callbacks: what users attach to runs in training, e.g. to log them to TensorBoard."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """A run that begins or resumes.

    Attributes:
        name: e.g. ``cgan-seed0``, unique in a results folder.
        variant: the variant's name; ``real`` for real images, which are measured beside the variants.
        seed: its seed.
        data: the data set's name.
        step: the step that it resumes from, 0 at its beginning.
        settings: title, objective, batch size, budget and other facts, as JSON.
    """

    name: str
    variant: str
    seed: int
    data: str
    step: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


class Callback:
    """Notified of runs in training; this one ignores everything, and others override methods.

    Of runs side by side in several processes, all methods are called in the process that started them, a few times a
    second. A callback that raises an error is reported once and not called again; no run ends for it.
    """

    def on_run_start(self, run: RunStart) -> None:
        """A run begins or resumes."""

    def on_history(self, run: RunStart, step: int, values: Mapping[str, float]) -> None:
        """Means over the last interval of steps by name: losses, penalties, discriminator outputs."""

    def on_evaluation(self, run: RunStart, step: int, values: Mapping[str, float], samples: Path | None) -> None:
        """An evaluation: metrics by ``extractor/metric``, e.g. ``mnist-cnn/fid``, and a PNG file of samples if any."""

    def on_run_end(self, run: RunStart, status: str, message: str) -> None:
        """A run has ended with a status, e.g. ``ok`` or ``diverged``, and the reason."""

    def on_close(self) -> None:
        """No further run is trained by this command."""
