"""The measurement as markdown: tables, and above them the answer that the figures give."""

import numpy as np
import pandas as pd
from timing.table import grid

from pull.answer import answer
from pull.bins import CERTAIN, EDGES, pooled
from pull.losses import CLOSED_FORMS, FORMULAS, TITLES, VARIANTS
from pull.stored import Measurement

SCORES = (-10.0, -5.0, -2.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_READING = """
- **Margin** is the score above the boundary of the discriminator: 0 for a logit, 1/2 for a raw score (halfway between
  its targets 0 and 1). Above it a fake is taken for real. On a discriminator that was trained with another loss, a loss
  reads the score whose margin is the same.
- Fakes are fresh: the discriminator has not stepped on them yet. In training it has, when the generator steps, which
  lowers their scores.
- **|dl/ds|** is the derivative of one fake's generator loss by its score, without the mean's 1/B; **||dl/dx||** the
  norm of the gradient that reaches its pixels.
- A loss's scale means nothing to Adam, which divides by the gradient's size: what counts is how the pull is shared out
  among fakes. So losses are compared by the **pull**, ||dl/dx|| over its mean over all fakes.
"""


def markdown(now: Measurement) -> str:
    """The whole report."""
    manifest = now.manifest
    settings, near = manifest["settings"], manifest["neighbors"]
    facts = [
        f"{manifest['date']}, commit {manifest['commit'] or 'unknown'}, {manifest['machine']['device']}, torch "
        f"{manifest['machine']['versions']['torch']}, {manifest['seconds']:,.0f} s. `{manifest['command']}`",
        f"{manifest['data']['title']}, {settings['images']:,} images in batches of {settings['batch']}, latent "
        f"`{settings['latent']}`, {now.seeds}. At each point {settings['n']:,} fakes a seed, "
        "drawn as training makes them: the generator in training mode, in batches of that size, labels as they occur.",
        f"**Far** from the data: farther from the nearest of {near['images']:,} training images, of the same label, "
        f"than {near['quantile']:.0%} of held-out real images are ({near['far']:.3f}, between unit features of "
        f"`{near['extractor']}`). **Surely real**: D(x) at least {CERTAIN}.",
    ]
    parts = ["# Least squares against cross-entropy: the pull at a fake", *facts, "## The answer", answer(now)]
    parts += ["![Gradients](gradients.png)", _READING.strip(), "## The losses by themselves", _closed_forms()]
    parts += ["## Where the fakes lie", _places(now.fakes), _far(now.fakes)]
    parts += ["## Each loss on its own discriminator", *(_own(now.gradients, name) for name in VARIANTS)]
    parts += ["## All losses on the same discriminator and the same fakes"]
    parts += ["Over all points of training."]
    parts += [_same(now.gradients, name) for name in VARIANTS]
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Three digits; a dash where there is nothing to tell."""
    return "-" if np.isnan(value) else f"{value:.3g}"


def _closed_forms() -> str:
    """|dl/ds| by the score itself."""
    head = ("score s", *(f"{TITLES[name]}: {FORMULAS[name]}".replace("|", "\\|") for name in VARIANTS))
    values = {name: CLOSED_FORMS[name](np.array(SCORES)) for name in VARIANTS}
    lines = ([f"{score:g}", *(f"{values[name][i]:.2g}" for name in VARIANTS)] for i, score in enumerate(SCORES))
    return grid(head, lines)


def _places(fakes: pd.DataFrame) -> str:
    """Margins of all fakes, and the shares taken for real, by variant and point."""
    head = ("discriminator, point of training", "least margin", "5%", "median", "95%", "most", "taken for real",
            "surely real", "median margin of real images", "rank correlation of margin and distance")  # fmt: skip
    lines = []
    for (variant, fraction), mine in fakes.groupby(["variant", "fraction"]):
        everything, share = mine[mine["region"] == "all"], mine.groupby("region")["share"].mean()
        ends = [
            everything["margin_least"].min(),
            *(everything[f"margin_{at}"].mean() for at in ("5%", "median", "95%")),
        ]
        lines.append([
            f"`{variant}` {fraction:.0%}",
            *(f"{value:.2f}" for value in [*ends, everything["margin_most"].max()]),
            f"{share['for real']:.1%}",
            f"{share['surely real']:.2%}",
            f"{everything['real_margin'].mean():.2f}",
            f"{everything['rank_correlation'].mean():+.2f}",
        ])  # fmt: skip
    return grid(head, lines) + "\n\nQuantiles, shares and correlations are means over seeds, least and most over all."


def _far(fakes: pd.DataFrame) -> str:
    """Whether fakes that are taken for real lie farther from the data than others."""
    asked = ("all", "for fake", "for real")
    head = ("discriminator, point of training",
            *(f"{said}, {name}" for said in ("median distance", "far") for name in asked),
            "far and taken for real, of all", "far and surely real, of all")  # fmt: skip
    regions = pooled(fakes, ["variant", "fraction", "region"], ["far", "distance"])
    lines = []
    for (variant, fraction), table in regions.groupby(["variant", "fraction"]):
        mine = table.set_index("region")
        both = [mine.loc[name, "fakes"] / mine.loc["all", "fakes"] for name in ("far, for real", "far, surely real")]
        lines.append([
            f"`{variant}` {fraction:.0%}",
            *(number(mine.loc[name, "distance"]) for name in asked),
            *(_percent(share) for share in [*(mine.loc[name, "far"] for name in asked), *both]),
        ])  # fmt: skip
    return grid(head, lines) + "\n\nMedians are means of the seeds' medians."


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


def _own(gradients: pd.DataFrame, name: str) -> str:
    """Mean ||dl/dx|| (and fakes) of each bin, a column a point of training; |dl/ds| over all points."""
    mine = gradients[(gradients["variant"] == name) & (gradients["loss"] == name)]
    by_point = pooled(mine, ["low", "fraction"], ["gradient"]).set_index(["low", "fraction"])
    over_all = pooled(mine, ["low"], ["derivative", "pulled_back"]).set_index("low")
    points = sorted(mine["fraction"].unique())
    lines = []
    for low in over_all.index:
        cells = [by_point.loc[(low, at)] if (low, at) in by_point.index else None for at in points]
        lines.append([
            _bin(low), number(over_all.loc[low, "derivative"]), f"{over_all.loc[low, 'pulled_back']:.0%}",
            *("-" if cell is None else f"{number(cell['gradient'])} ({cell['fakes']:,.0f})" for cell in cells),
        ])  # fmt: skip
    head = ("margin", "mean \\|dl/ds\\|", "score lowered", *(f"\\|\\|dl/dx\\|\\| (fakes) at {at:.0%}" for at in points))
    return f"`{name}`, {TITLES[name]}:\n\n{grid(head, lines)}"


def _same(gradients: pd.DataFrame, name: str) -> str:
    """|dl/ds| and the pull of each bin, a pair of columns a loss."""
    mine = pooled(gradients[gradients["variant"] == name], ["low", "loss"], ["derivative", "pull"])
    lines = []
    for low, table in mine.groupby("low"):
        cells = table.set_index("loss")
        line = [_bin(low), f"{cells.loc[name, 'fakes']:,.0f}"]
        lines.append(line + [number(cells.loc[loss, column]) for loss in VARIANTS for column in ("derivative", "pull")])
    head = ("margin", "fakes", *(said for loss in VARIANTS for said in (f"\\|dl/ds\\|, {TITLES[loss]}", "pull")))
    return f"The discriminator of `{name}`:\n\n{grid(head, lines)}"


def _bin(low: float) -> str:
    high = EDGES[EDGES.index(low) + 1]
    if np.isinf(low):
        return f"below {high:g}"
    return f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
