"""A run that was trained from Python: its last state, its samples, curves and numbers."""

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_zoo import text
from gan_zoo.engine import checkpoint
from gan_zoo.engine.sampler import NotFinite, Sampler
from gan_zoo.engine.state import State
from gan_zoo.engine.step import pending_row
from gan_zoo.samples import GAP, sheet

# pandas and matplotlib take seconds to import, and training needs neither.
if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL import Image

_PANELS = {"losses": ("discriminator_loss", "generator_loss"), "discriminator output": ("D(real)", "D(fake)")}
"""The curves of a run: panels, and their values of history."""
_BINS = 50
"""Of the histogram of points of one dimension."""


@dataclass(frozen=True, repr=False)
class Run:
    """The last state of a run, its status (``ok``, ``diverged`` or ``out_of_memory``) and the reason.

    Attributes:
        metrics: of a run in a folder, the final metrics by the first extractor.
    """

    state: State
    status: str
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds of training, evaluation excluded."""
        return self.state.seconds

    @property
    def sampler(self) -> Sampler:
        """Makes images: ``run.sampler(20)``; from the moving average where there is one."""
        return Sampler.of(self.state)

    @property
    def history(self) -> "pd.DataFrame":
        """One row every ``HISTORY_INTERVAL`` steps, and one for the steps since: counts at its end, means over it."""
        import pandas as pd

        rows = [*self.state.history.rows, *filter(None, [pending_row(self.state)])]
        return pd.DataFrame([{**row, **row["values"]} for row in rows]).drop(columns="values", errors="ignore")

    def save(self, path: Path | str) -> None:
        """Write a checkpoint, which ``gan_zoo.train(resume=path, ...)`` continues and ``gan_zoo.load`` samples from.

        Raises:
            GanZooError: the path cannot be written, or the variant was not made by the registry.
        """
        checkpoint.save(self.state, Path(path))

    def show(self, n: int = 20, *, label: int | None = None, seed: int = 0) -> "Image.Image | Figure":
        """``n`` samples in one image, which a notebook displays; points as a figure.

        Raises:
            GanZooError: as the sampler; its values are not finite if the run has diverged.
        """
        samples = self.sampler(n, labels=None if label is None else [label] * n, seed=seed)
        if samples.dim() == 4:
            return sheet(samples, GAP)
        figure = _figure(1)
        if samples.shape[1] == 1:
            figure.axes[0].hist(samples[:, 0].cpu().numpy(), bins=_BINS)
        else:
            figure.axes[0].scatter(samples[:, 0].cpu(), samples[:, 1].cpu(), s=4)
        return figure

    def plot(self) -> "Figure":
        """The losses of both players, and the discriminator's mean output for real and fake samples, over the steps."""
        history = self.history
        figure = _figure(len(_PANELS))
        for axis, (title, names) in zip(figure.axes, _PANELS.items(), strict=True):
            for name in names:
                if name in history:
                    axis.plot(history["step"], history[name], label=name.replace("_", " "))
            axis.set(title=title, xlabel="step")
            axis.legend(frameon=False)
        return figure

    def _facts(self) -> dict[str, str]:
        state = self.state
        return {
            "variant": state.variant.display_name or state.variant.title,
            "data": state.data_name,
            "status": text.status(self.status),
            "steps": text.count(state.iterations),
            "samples seen": text.count(state.images),
            "training": text.duration(self.seconds),
        }

    def __repr__(self) -> str:
        facts = self._facts()
        reason = f": {self.message}" if self.message else ""
        return (
            f"Run({facts['variant']} on {facts['data']}, {facts['status']}{reason}, {facts['steps']} steps, "
            f"{facts['training']})"
        )

    def _repr_html_(self) -> str:
        """Numbers, samples and curves for a notebook."""
        numbers = self._facts() | {name: text.number(value) for name, value in self.metrics.items()}
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(of)}</td></tr>" for name, of in numbers.items()
        )
        reason = f"<p>{html.escape(self.message)}</p>" if self.message else ""
        try:
            drawn = _html_image(self.show())
        except NotFinite as error:
            drawn = f"<p>{html.escape(str(error))}</p>"
        curves = _html_image(self.plot()) if self.state.iterations else ""
        return f"<table>{rows}</table>{reason}{drawn}{curves}"


def _figure(panels: int) -> "Figure":
    """A figure of panels side by side, which a notebook displays without pyplot."""
    from matplotlib.figure import Figure

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            return _png(self)

    figure = Shown(figsize=(4.5 * panels, 3.2), layout="constrained")
    figure.subplots(1, panels)
    return figure


def _png(drawn: "Image.Image | Figure") -> bytes:
    buffer = io.BytesIO()
    save: Any = getattr(drawn, "savefig", None) or drawn.save  # type: ignore[union-attr]
    save(buffer, format="png")
    return buffer.getvalue()


def _html_image(drawn: "Image.Image | Figure") -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(_png(drawn)).decode()}">'
