"""The timing of the Ray executor and the comparison of a cluster with its simulation run from end to end."""

import json

import pytest

from benchmarks.speed import ray as speed
from benchmarks.studies import scale

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture(autouse=True)
def local_ray(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def test_a_smoke_run_has_every_number(tmp_path):
    assert speed.main(["--smoke", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "ray.json").read_text(encoding="utf-8"))
    for length in ("tiny", "long"):
        measured = found["overhead"][length]
        assert measured["median_seconds"]["local"] > 0
        assert measured["overhead"] == pytest.approx(
            measured["median_seconds"]["ray"] / measured["median_seconds"]["local"] - 1
        )
    assert found["no_op"]["runs"] == 50
    assert min(found["no_op"]["memory_bytes"]) > 0
    assert 0 < found["updates"]["cpu_seconds_per_update"] < 0.01


def test_a_part_that_is_not_measured_stays(tmp_path):
    (tmp_path / "ray.json").write_text(json.dumps({"overhead": {"date": "before"}}))
    assert speed.main(["--smoke", "--parts", "no_op", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "ray.json").read_text(encoding="utf-8"))
    assert found["overhead"] == {"date": "before"}
    assert found["no_op"].keys() >= {"date", "command", "commit", "machine", "ray", "runs_per_second"}


def test_an_unknown_part_is_an_error(tmp_path, capsys):
    assert speed.main(["--parts", "all", "--out", str(tmp_path)]) == 2
    assert "no_op" in capsys.readouterr().err


def test_three_nodes_are_compared_with_their_prediction(tmp_path):
    # Too few runs for a good prediction.
    status = scale.main(["--three-nodes", "--seeds", "1", "--out", str(tmp_path), "--ray", str(tmp_path / "none.json")])
    found = json.loads((tmp_path / "three_nodes.json").read_text(encoding="utf-8"))
    assert found["runs"] == 5
    assert found["trained_runs"] == 4
    assert found["slots"] == 3
    assert found["predicted_seconds"] > 0
    assert found["ratio"] == pytest.approx(found["predicted_seconds"] / found["measured_seconds"])
    assert status == (abs(found["ratio"] - 1) > scale.TOLERANCE)
