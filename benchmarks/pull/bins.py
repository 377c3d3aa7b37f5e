"""Fakes gathered: by the margin to the discriminator's boundary, and by regions that the claim speaks of."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pull.losses import VARIANTS, crossing

EDGES = (-np.inf, -8.0, -4.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, np.inf)
"""Bins of the margin, each with its lower edge; 0 is the boundary."""
STATE = ["variant", "seed", "fraction", "images"]
CERTAIN = 0.9
LEAST_FAKES = 20
"""Bins with fewer over all seeds are not drawn; a state with fewer on a side of the boundary is not judged by it."""
_CROSSING = crossing()
REGIONS: dict[str, Callable[[pd.DataFrame], "pd.Series[bool]"]] = {
    "all": lambda fakes: fakes["margin"] == fakes["margin"],
    "for fake": lambda fakes: fakes["margin"] <= 0,
    "for real": lambda fakes: fakes["margin"] > 0,
    "surely fake": lambda fakes: fakes["certain"] <= 1 - CERTAIN,
    "surely real": lambda fakes: fakes["certain"] >= CERTAIN,
    "past the crossing": lambda fakes: fakes["margin"] > _CROSSING,
    "far": lambda fakes: fakes["far"],
    "far, for real": lambda fakes: fakes["far"] & (fakes["margin"] > 0),
    "far, surely real": lambda fakes: fakes["far"] & (fakes["certain"] >= CERTAIN),
}
"""What fakes are taken for (by margin 0, by D(x) of 0.1 and 0.9), where the raw score's loss pulls harder than
cross-entropy (`losses.crossing`), and what lies far from the data."""


def binned(fakes: pd.DataFrame) -> pd.DataFrame:
    """One row a state (variant, seed, point of training), bin of the margin and loss; empty bins have no row.

    Means over the bin's fakes: ``margin``, ``derivative`` (|dl/ds|), ``gradient`` (||dl/dx||), ``distance``, ``far``
    (a share); ``pull`` is the gradient over its mean over all fakes of the state, ``pulled_back`` the share of fakes
    whose score the loss lowers.
    """
    places = np.digitize(fakes["margin"], EDGES[1:-1])
    means = fakes.groupby(STATE)[[f"gradient_{loss}" for loss in VARIANTS]].mean()
    rows = []
    for (*state, place), mine in fakes.groupby([*STATE, places]):
        shared = dict(zip(STATE, state, strict=True)) | {"low": EDGES[place], "high": EDGES[place + 1]}
        shared |= {"fakes": len(mine)} | {name: mine[name].mean() for name in ("margin", "distance", "far")}
        rows += [
            shared
            | {
                "loss": loss,
                "derivative": mine[f"derivative_{loss}"].abs().mean(),
                "gradient": mine[f"gradient_{loss}"].mean(),
                "pull": mine[f"gradient_{loss}"].mean() / means.loc[tuple(state), f"gradient_{loss}"],
                "pulled_back": (mine[f"derivative_{loss}"] > 0).mean(),
            }
            for loss in VARIANTS
        ]
    return pd.DataFrame(rows)


def by_region(fakes: pd.DataFrame) -> pd.DataFrame:
    """One row a state and region of `REGIONS`: how many fakes, their margins and distances, the mean ||dl/dx|| a loss.

    ``real_margin`` is the median margin of real images, ``rank_correlation`` Spearman's, of margin and distance.
    """
    rows = []
    for state, everything in fakes.groupby(STATE):
        for region, belongs in REGIONS.items():
            mine = everything[belongs(everything)]
            rows.append(
                dict(zip(STATE, state, strict=True))
                | {"region": region, "fakes": len(mine), "share": len(mine) / len(everything)}
                | {f"margin_{name}": mine["margin"].quantile(at) for name, at in _QUANTILES.items()}
                | {"distance": mine["distance"].median(), "far": mine["far"].mean()}
                | {"real_margin": everything["real_margin"].iloc[0]}
                | {"rank_correlation": mine["margin"].rank().corr(mine["distance"].rank())}
                | {f"gradient_{loss}": mine[f"gradient_{loss}"].mean() for loss in VARIANTS}
            )
    return pd.DataFrame(rows)


_QUANTILES = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "most": 1.0}


def pooled(rows: pd.DataFrame, by: list[str], means: list[str]) -> pd.DataFrame:
    """Rows of several seeds as one each: fakes counted together, means over all of them; the image counts agree."""
    weighted = rows[[*by, "fakes"]].assign(**{name: rows[name] * rows["fakes"] for name in means})
    summed = weighted.groupby(by, as_index=False).sum(min_count=1)
    return summed.assign(**{name: summed[name] / summed["fakes"] for name in means})
