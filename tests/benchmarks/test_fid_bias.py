"""FID against N: the limit is that of a line through all draws."""

import json

import pandas as pd
import pytest

from benchmarks.studies.fid_bias import bias, main
from gan_zoo.errors import GanZooError


def test_limits_are_those_of_the_table(tmp_path):
    assert main(["--smoke", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"fid_n.{kind}" for kind in ("csv", "json", "md", "png")}
    facts = json.loads((tmp_path / "fid_n.json").read_text())
    rows = pd.read_csv(tmp_path / "fid_n.csv")
    for source, mine in rows.groupby("source"):
        assert mine.groupby("num_samples").size().to_dict() == dict.fromkeys(facts["counts"], facts["draws"])
        x = 1 / mine["num_samples"]
        slope = x.sub(x.mean()).mul(mine["fid"]).sum() / x.sub(x.mean()).pow(2).sum()
        # All draws have the same N, so that the mean of their lines is the line through all of them.
        limit = mine["fid"].mean() - slope * x.mean()
        assert facts["limits"][source]["limit"]["mean"] == pytest.approx(limit, rel=1e-4, abs=1e-4)
        assert facts["limits"][source]["slope"]["mean"] == pytest.approx(slope, rel=1e-4)
    # Training images are at hardly any distance; a generator of twenty steps is far away.
    limits = {name: found["limit"]["mean"] for name, found in facts["limits"].items()}
    assert limits["cgan"] > 10 * abs(limits["real"])


@pytest.mark.parametrize(
    ("counts", "draws", "word"),
    [([130, 200], 1, "--draws"), ([100, 200], 3, "allows 129"), ([130, 9000], 3, "130 to 9000")],
)
def test_impossible_numbers_are_refused(counts, draws, word):
    with pytest.raises(GanZooError, match=word):
        bias("digits", None, counts, draws, steps=1)
