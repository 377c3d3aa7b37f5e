"""The simulation of clusters: cases whose answer is known, and results folders whose time it predicts."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies import scale
from benchmarks.studies.cluster import Cluster, simulate
from gan_zoo.errors import GanZooError

HOUR = 3600.0


def test_equal_runs_take_whole_turns():
    found = simulate([10.0] * 12, Cluster(4))
    assert found.seconds == 30
    assert found.tail == 0
    assert simulate([10.0] * 13, Cluster(4)).seconds == 40
    assert simulate([10.0] * 13, Cluster(4)).tail == 3 * 10


def test_a_long_run_at_the_end_is_the_tail():
    runs = [10.0] * 6 + [60.0]
    assert simulate(runs, Cluster(4)).seconds == 70
    assert simulate(sorted(runs, reverse=True), Cluster(4)).seconds == 60


def test_start_up_data_and_overhead_add_up():
    cluster = Cluster(2, slots_a_node=1, startup=5, data=300, bandwidth=100, run_overhead=1)
    # The second node waits for the data of the first: 5 + 6 + (1 + 10).
    assert simulate([10.0, 10.0], cluster).seconds == 22


def test_a_driver_that_is_busy_all_the_time_sets_the_pace():
    found = simulate([1.0] * 100, Cluster(50, driver=0.5))
    assert found.driver == 50
    assert found.seconds == pytest.approx(1 + 100 * 0.5)
    assert simulate([1.0] * 100, Cluster(50, driver=0.001)).seconds == pytest.approx(2, rel=0.1)


def test_updates_of_runs_leave_less_time_of_the_driver_for_their_ends():
    # Each run needs a tenth of the driver's time for its updates.
    cluster = Cluster(5, driver=1, driver_update=0.05, update_period=0.5)
    found = simulate([10.0, 20.0, 20.0, 20.0, 30.0], cluster)
    assert found.driver == pytest.approx(0.1 * 100 + 5)
    assert found.seconds == pytest.approx(30 + 1 / (1 - 0.5))


def test_updates_that_take_all_time_of_the_driver_are_an_error():
    with pytest.raises(GanZooError, match="150%"):
        simulate([10.0], Cluster(15, driver_update=0.05, update_period=0.5))


def test_checkpoints_lengthen_runs_and_wait_for_a_full_storage():
    saved = Cluster(8, checkpoint=100, save=0.5, every=10, bandwidth=1600)
    # 8 checkpoints of 100 bytes through one node's 1,600 bytes a second take 0.5 s.
    assert saved.stretch == pytest.approx(1.1)
    full = Cluster(8, checkpoint=100, every=10, storage=40)
    assert full.storage_share == 2
    assert simulate([100.0] * 8, full).seconds == pytest.approx(200)


def test_a_failed_node_loses_what_is_newer_than_its_last_checkpoint(monkeypatch):
    class At35:
        times = iter([35.0, 1e9])

        def exponential(self, _mean):
            return next(self.times)

    monkeypatch.setattr(np.random, "default_rng", lambda _seed: At35())
    found = simulate([100.0], Cluster(1, every=10, between_failures=50, repair=20))
    assert found.failures == 1
    assert found.lost == 5
    assert found.seconds == 35 + 20 + 70


def test_no_run_is_lost_by_failures():
    cluster = Cluster(16, slots_a_node=4, every=60, between_failures=HOUR, repair=60)
    runs = [600.0] * 200
    found = simulate(runs, cluster)
    assert found.failures > 3
    # Work, what is trained again, and slots that are in repair or idle fill the time.
    assert found.seconds * 16 >= sum(runs) + found.lost + found.tail
    # A node loses half of an interval in each slot on average.
    assert found.lost == pytest.approx(found.failures * 4 * 30, rel=0.6)


def test_the_report_names_its_inputs_and_the_limit(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(scale, "SETTINGS", 10)
    ray = {
        "no_op": {"runs_per_second": 0.5},
        "overhead": {"long": {"overhead_seconds": 0.25}},
        "updates": {"cpu_seconds_per_update": 1e-4},
    }
    (tmp_path / "ray.json").write_text(json.dumps(ray))
    words = ["--gpus", "8", "128", "--out", str(tmp_path), "--ray", str(tmp_path / "ray.json")]
    assert scale.main(words) == 0
    rows = pd.read_csv(tmp_path / "scale.csv").set_index(["runs", "GPUs"])
    # 1,600 runs at two seconds of the driver each; updates of 128 runs take 2.56% of its time.
    assert rows.loc[("short", 128), "hours"] == pytest.approx(3_200 / (1 - 0.0256) / HOUR, rel=0.2)
    assert rows.loc[("short", 128), "limit"] == "driver busy"
    assert rows.loc[("long", 8), "limit"] == "none"
    inputs = json.loads((tmp_path / "scale.json").read_text())["inputs"]
    assert inputs["overhead of a run"]["value"] == 0.25
    assert all(value["source"].split(":")[0].split(" ")[0] in SOURCES for value in inputs.values())
    assert str(tmp_path / "scale.md") in capsys.readouterr().out


def test_so_many_gpus_keep_the_driver_busy(tmp_path):
    known = scale.inputs(tmp_path / "none.json")

    def limit(end, update):
        inputs = {"driver, end of a run": end, "driver, an update": update}
        return scale.driver_limit(100.0, known | {name: scale.Input(value, "s", "") for name, value in inputs.items()})

    assert limit(0.01, 0.0) == pytest.approx(100 / 0.01)
    # 500 updates a second of all runs take half of the time.
    assert limit(0.01, 0.001) == pytest.approx(0.5 * 100 / 0.01)
    # Two updates a second of each run and no ends: 100 runs keep the driver busy at 5 ms an update.
    assert limit(1e-9, 0.005) == pytest.approx(100)


def test_the_periods_are_those_of_the_executor(tmp_path):
    executor = pytest.importorskip("gan_zoo.bench.executors.ray", reason="needs Ray", exc_type=ImportError)
    known = scale.inputs(tmp_path / "none.json")
    assert known["between updates of a run"].value == executor._SHORTEST_PERIOD
    assert known["updates of all runs"].value == executor._UPDATES


SOURCES = {"measured", "assumed", "computed", "the"}


@pytest.fixture
def measured(tmp_path):
    """A results folder of a command that took ``wall`` seconds for 6 runs of 10 s of training and 2 s of evaluation."""

    def write(wall, finished=True):
        (tmp_path / "records").mkdir(exist_ok=True)
        names = [f"gan-seed{seed}-0a1b2c3d" for seed in range(6)]
        for seed, name in enumerate(names):
            begin = {"row": "begin", "variant": "gan", "seed": seed, "data": "digits", "preset": "p", "title": "GAN"}
            end = {"row": "end", "status": "ok", "steps": 9, "images": 9, "seconds": 10.0, "evaluation_seconds": 2.0}
            rows = [begin, end] if finished or seed else [begin]
            (tmp_path / "records" / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        manifest = {
            "runs": names,
            "preset": "p",
            "data": {"name": "digits", "title": "Digits"},
            "variants": ["gan"],
            "seeds": list(range(6)),
            "extractors": {"digits-cnn": {}},
            "wall_seconds": wall,
            "finished": finished,
        }
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return ["--measured", str(tmp_path), "--slots", "3", "--startup", "3", "--ray", str(tmp_path / "none.json")]

    return write


@pytest.mark.parametrize(("wall", "status"), [(27.2, 0), (23.0, 0), (40.0, 1)])
def test_a_measured_folder_is_compared_with_its_prediction(measured, capsys, wall, status):
    # Start-up of 3 s, and two turns of 12 s.
    assert scale.main(measured(wall)) == status
    out, err = capsys.readouterr()
    assert "predicted 27." in out + err
    assert f"measured {wall:.1f} s" in out + err


def test_a_folder_with_unfinished_runs_is_refused(measured, capsys):
    assert scale.main(measured(20.0, finished=False)) == 2
    assert "not ended" in capsys.readouterr().err
