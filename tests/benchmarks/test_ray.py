"""The timing of the Ray executor runs from end to end."""

import json

import pytest

from benchmarks.speed.ray import main

pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.cluster
def test_a_smoke_run_has_every_number(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert main(["--smoke", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "ray.json").read_text(encoding="utf-8"))
    for length in ("tiny", "long"):
        measured = found["overhead"][length]
        assert measured["median_seconds"]["local"] > 0
        assert measured["overhead"] == pytest.approx(
            measured["median_seconds"]["ray"] / measured["median_seconds"]["local"] - 1
        )
    assert found["no_op"]["runs"] == 50
    assert min(found["no_op"]["memory_bytes"]) > 0
