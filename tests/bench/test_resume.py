"""A folder of many runs is compared with a plan in one pass."""

import pytest

from gan_zoo.bench import resume, runner
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.records import append, records_path
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions


@pytest.fixture
def plan(suite, toys):
    def make(seeds, *changes):
        path = suite(*changes)
        return make_plan(RunOptions(suite=path, preset="smoke", plugins=[toys], device="cpu", seeds=list(range(seeds))))

    return make


@pytest.fixture
def folder(plan, tmp_path):
    """A folder with the records of 20 seeds of two variants, none of them finished."""
    made = plan(20)
    (tmp_path / "out" / "records").mkdir(parents=True)
    for run in made.runs():
        path = records_path(tmp_path / "out", run.name)
        facts = {"variant": run.variant_name, "seed": run.seed, "identity": run.identity, "batch_size": 8}
        append(path, {"row": "begin", "run": run.name, "data": "digits", "preset": "smoke", "title": "t", **facts})
        counts = {"images": 8, "seconds": 1.0, "discriminator_steps": 1, "generator_steps": 1}
        append(path, {"row": "history", "step": 1, "values": {}, **counts})
    runner._ManifestFile(made, tmp_path / "out").save()
    return tmp_path / "out"


def test_each_run_is_compared_with_the_records_of_its_variant_and_seed_alone(plan, folder, monkeypatch):
    compared = []
    compare = resume._compare
    monkeypatch.setattr(resume, "_compare", lambda *args: compared.append(args) or compare(*args))
    assert resume.check_folder(plan(20), folder) == []
    assert len(compared) == 40


def test_other_settings_are_refused_whatever_their_seed(plan, folder):
    with pytest.raises(GanZooError, match="batch"):
        resume.check_folder(plan(3, ("batch_size = 16", "batch_size = 8")), folder)


def test_a_manifest_that_takes_long_to_write_is_not_written_after_every_run(plan, tmp_path, monkeypatch):
    clock = [0.0]
    written = []

    def write(path, content):
        written.append(clock[0])
        clock[0] += 0.1

    monkeypatch.setattr(runner.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(runner, "write_json", write)
    manifest = runner._ManifestFile(plan(1), tmp_path)
    manifest.save()
    for _ in range(1000):
        clock[0] += 0.05
        manifest.update()
    # Every 10 s of 50 s: a hundredth of the time is spent on it.
    assert 4 <= len(written) <= 6
    manifest.save(finished=True)
    assert written[-1] > 50
