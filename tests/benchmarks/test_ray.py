"""The timing of the Ray executor runs from end to end."""

import json

import pytest

from benchmarks.speed import ray as speed

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
