"""The callback of ``--tensorboard``: losses, discriminator outputs, metrics and samples as event files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gan_zoo.callbacks import Callback, RunStart
from gan_zoo.errors import GanZooError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
"""The folder of event files in a results folder."""


class TensorBoard(Callback):
    """Writes event files below a folder, in a sub-folder for each run: ``tensorboard --logdir FOLDER`` shows them.

    A run that resumes continues its curves; steps that are trained again replace the first ones.

    Raises:
        GanZooError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError:
            raise GanZooError(
                "tensorboard is not installed; install it with `pip install tensorboard`, or as the extra "
                "gan-zoo[tensorboard]"
            ) from None
        self.folder = Path(folder)
        self.writers: dict[str, SummaryWriter] = {}

    def on_run_start(self, run: RunStart) -> None:
        """Open the writer of the run, with its settings as text."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.folder / run.name), purge_step=run.step + 1 if run.step else 0, flush_secs=5)
        rows = [f"| {name} | {value} |" for name, value in run.settings.items() if value not in ("", [], None)]
        writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]), run.step)
        self.writers[run.name] = writer

    def on_history(self, run: RunStart, step: int, values: Mapping[str, float]) -> None:
        """Add the scalars ``losses/...``, ``outputs/...`` and ``gradients/...``."""
        for name, value in values.items():
            group = "outputs" if name.startswith("D(") else "gradients" if name.endswith("grad_norm") else "losses"
            self.writers[run.name].add_scalar(f"{group}/{name.replace('(', '_').rstrip(')')}", value, step)

    def on_evaluation(self, run: RunStart, step: int, values: Mapping[str, float], samples: Path | None) -> None:
        """Add the scalars ``metrics/METRIC_EXTRACTOR``, and the image ``samples``."""
        writer = self.writers[run.name]
        for name, value in values.items():
            extractor, metric = name.split("/")
            writer.add_scalar(f"metrics/{metric}_{extractor}", value, step)
        if samples is not None:
            with Image.open(samples) as image:
                pixels = np.asarray(image)
            writer.add_image("samples", pixels, step, dataformats="HW" if pixels.ndim == 2 else "HWC")

    def on_run_end(self, run: RunStart, status: str, message: str) -> None:
        """Add the status as text, and close the writer."""
        if (writer := self.writers.pop(run.name, None)) is not None:
            writer.add_text("status", f"{status} {message}".strip())
            writer.close()

    def on_close(self) -> None:
        """Close the writers of interrupted runs."""
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()
