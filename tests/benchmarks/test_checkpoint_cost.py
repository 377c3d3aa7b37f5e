"""The measured cost of checkpoints: shares of a run, and what is written beside them."""

import json

import pandas as pd
import pytest

from benchmarks.speed import checkpoint_cost


def test_shares_follow_from_the_times_of_saves_and_steps(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkpoint_cost, "VARIANTS", {"dcgan, small": {"width": 4}})
    words = ["--saves", "2", "--seconds", "0.01", "--out", str(tmp_path / "out")]
    assert checkpoint_cost.main(words) == 0
    assert "small" in capsys.readouterr().out
    row = pd.read_csv(tmp_path / "out" / "cost.csv").iloc[0]
    assert row["bytes"] > 10_000
    assert 0 < row["save_ms"] <= row["save_ms_max"]
    save = row["save_ms"] / 1e3
    training = 64_000 / 32 * row["step_ms"] / 1e3
    assert row["share_by_time"] == pytest.approx(save / (60 + save), rel=1e-2)
    # 12,800 images, two doublings and the end: four evaluations, and a save every minute.
    saves = (4 + training // 60) * save
    assert row["share_of_quick"] == pytest.approx(saves / (saves + training), rel=1e-2)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {"machine", "commit", "load_average", "command"} <= set(manifest)
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["cost.csv", "manifest.json"]
