"""The answer to the claim, in sentences whose figures and words follow from the measurement."""

from typing import Any

import numpy as np
import pandas as pd

from pull.bins import CERTAIN, LEAST_FAKES, STATE
from pull.losses import CLOSED_FORMS, TITLES, VARIANTS, crossing
from pull.stored import Measurement

_ALIKE = 0.01
"""A difference of relative pulls below this is none."""
CLAIM = (
    "> Cross-entropy hardly moves a fake that the discriminator already takes for real, however far from the data "
    "it lies (its generator gradient vanishes at large positive logits), while least squares still pulls it to the "
    "boundary."
)


def answer(now: Measurement) -> str:
    """The claim, and what the measurement says of each of its parts."""
    fakes = now.fakes
    sentences = [
        _losses(),
        _where(fakes),
        _surely_fake(fakes),
        _crossed(fakes),
        *(_pulls(fakes, name) for name in ("cgan", "lsgan_linear")),
    ]
    sentences += [_distances(fakes), _contrast(now.manifest["contrast"])]
    return "\n\n".join([CLAIM, "\n".join(f"- {sentence}" for sentence in sentences)])


def _losses() -> str:
    """The losses by themselves, without any training."""
    at = {name: form(np.array([-10.0, 10.0])) for name, form in CLOSED_FORMS.items()}
    low, high = (", ".join(f"{at[name][side]:.2g} ({TITLES[name]})" for name in VARIANTS) for side in (0, 1))
    return (
        f"**The losses by themselves: true of the raw score alone.** |dl/ds| at a score of +10 is {high}; at -10 it is "
        f"{low}. With the sigmoid kept, as in the article's one-line change, it is cross-entropy's times 2p(1 - p): at "
        "most half of it at every score, on both sides of the boundary."
    )


def _where(fakes: pd.DataFrame) -> str:
    """Whether fakes with large positive logits occur at all."""
    mine = fakes[fakes["variant"] == "cgan"]
    counts = mine.groupby("region")["fakes"].sum()
    most = mine.loc[mine["region"] == "all", "margin_most"].max()
    still, strongest = (CLOSED_FORMS["cgan"](np.array(at)) for at in (most, -most))
    real = mine.groupby("fraction")["real_margin"].mean()
    sure, share = int(counts["surely real"]), counts["surely real"] / counts["all"]
    said = "the case did not arise" if sure == 0 else "the case was rare" if share < 0.01 else "the case arose"
    return (
        f"**In training {said}.** Over all points and seeds {counts['for real'] / counts['all']:.1%} of `cgan`'s "
        f"{counts['all']:,} fakes were taken for real, and {sure:,} ({share:.2%}) surely (D(x) of {CERTAIN} or more). "
        f"The largest logit was {most:+.2f}; there cross-entropy's |dl/ds| is {still:.2g}, and {strongest:.2g} at the "
        f"logit as far on the other side. Real images had a median logit of {real.iloc[0]:+.2f} at the first point and "
        f"{real.iloc[-1]:+.2f} at the last."
    )


def _surely_fake(fakes: pd.DataFrame) -> str:
    """How many fakes lie on the other side, where the sigmoid takes least squares' pull away."""
    doubt = 1 - CERTAIN
    at = np.log(np.array(doubt / (1 - doubt)))
    entropy, squares = (CLOSED_FORMS[name](at) for name in ("cgan", "lsgan"))
    shares = []
    for name in ("cgan", "lsgan"):
        counts = fakes[fakes["variant"] == name].groupby("region")["fakes"].sum()
        shares.append(f"{counts['surely fake'] / counts['all']:.1%} of `{name}`'s")
    return (
        f"On the other side, {' and '.join(shares)} fakes were surely taken for fake (D(x) of {doubt:.1f} or less). "
        f"There cross-entropy's |dl/ds| is at least {entropy:.2g}, that of least squares on the sigmoid at most "
        f"{squares:.2g} and vanishing."
    )


def _crossed(fakes: pd.DataFrame) -> str:
    """How many fakes lie where the raw score's loss has the larger derivative."""
    shares = []
    for name in VARIANTS:
        counts = fakes[fakes["variant"] == name].groupby("region")["fakes"].sum()
        shares.append(f"{counts['past the crossing'] / counts['all']:.2%} of `{name}`'s")
    return (
        "On the real side least squares on the raw score pulls weaker than cross-entropy around its target (a margin "
        f"of 0.5, where it does not pull at all) and harder from a margin of {crossing():.2f} on. Beyond that lay "
        f"{', '.join(shares)} fakes."
    )


def relative_pull(fakes: pd.DataFrame, loss: str) -> float:
    """Mean ||dl/dx|| at fakes taken for real over that at fakes taken for fake: the mean over states.

    Of states with at least `LEAST_FAKES` on both sides; NaN where there is none.
    """
    sides = fakes.set_index(STATE)
    real, fake = (sides[sides["region"] == region] for region in ("for real", "for fake"))
    enough = (real["fakes"] >= LEAST_FAKES) & (fake["fakes"] >= LEAST_FAKES)
    return float((real[f"gradient_{loss}"] / fake[f"gradient_{loss}"])[enough].mean())


def _pulls(fakes: pd.DataFrame, name: str) -> str:
    """How the losses share their pull out, on one discriminator and its fakes."""
    mine = fakes[fakes["variant"] == name]
    pulls = {loss: relative_pull(mine, loss) for loss in VARIANTS}
    if np.isnan(pulls["cgan"]):
        return f"On the discriminator of `{name}` no point had {LEAST_FAKES} fakes on both sides of the boundary."
    told = ", ".join(f"{pulls[loss]:.2f} ({TITLES[loss]})" for loss in VARIANTS)
    apart = pulls["lsgan_linear"] - pulls["cgan"]
    said = "the same share" if abs(apart) < _ALIKE else "a larger share" if apart > 0 else "a smaller share"
    return (
        f"On the discriminator of `{name}`, the same fakes under each loss: the gradient that reached those taken for "
        f"real was {told} times that which reached those taken for fake. Least squares on the raw score gave them "
        f"**{said}** of its pull, compared with cross-entropy."
    )


def _distances(fakes: pd.DataFrame) -> str:
    """Whether what `cgan`'s discriminator takes for real lies far from the data."""
    mine = fakes[fakes["variant"] == "cgan"]
    counts = mine.groupby("region")["fakes"].sum()
    ranks = mine.loc[mine["region"] == "all", "rank_correlation"]
    if not counts["for real"]:
        return "None of `cgan`'s fakes was taken for real, so that none of these lay far from the data."
    real = counts["far, for real"] / counts["for real"]
    fake = (counts["far"] - counts["far, for real"]) / counts["for fake"] if counts["for fake"] else float("nan")
    return (
        f"Far from the data lay {real:.1%} of `cgan`'s fakes taken for real and {fake:.1%} of those taken for fake; "
        f"the rank correlation of logit and distance was {ranks.mean():+.2f} on average over points and seeds "
        f"({ranks.min():+.2f} to {ranks.max():+.2f})."
    )


def _contrast(contrast: dict[str, Any] | None) -> str:
    """The end-to-end contrast, where it was measured."""
    if contrast is None:
        return "End to end: not measured (`--contrast` with a results folder of the suite `least_squares`)."
    first = contrast["rows"][0]
    told = "; ".join(_one_contrast(row) for row in contrast["rows"])
    return (
        f"End to end, {first['data']}, preset {first['preset']}, final FID ({first['extractor']}, N = {first['n']:,}; "
        f"geometric means over the seeds that survived, of {first['planned']}; Welch's 95% interval on the logarithm): "
        f"{told}. From `{contrast['results']}`."
    )


def _one_contrast(row: dict[str, Any]) -> str:
    ratio, low, high = (float(np.exp(row[key])) for key in ("difference", "low", "high"))
    verdict = (
        "no difference shown" if low <= 1 <= high else f"`{row['variant'] if high < 1 else row['other']}` is better"
    )
    return (
        f"`{row['variant']}` {row['fid']:.1f} ({row['seeds']} seeds) against `{row['other']}` {row['fid_other']:.1f} "
        f"({row['seeds_other']}): a ratio of {ratio:.2f} [{low:.2f}, {high:.2f}], **{verdict}**"
    )
