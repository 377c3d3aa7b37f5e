"""Expected ranges: how they are made, the file that holds them, and a machine that is verified from end to end."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
from scipy import stats

from benchmarks.studies import reproduce
from benchmarks.studies.reproduce import EXPECTED, Expectation, checked, cut, made_from, main, part_of, read, write
from gan_zoo import registry
from gan_zoo.bench.protocol import Protocol
from gan_zoo.bench.suite import read_suite
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError

TOYS = ("by_heart", "sibling")
PROTOCOL = Protocol(
    data=("mnist", "cd" * 32),
    split="test",
    side="32 x 32, 1 channel",
    num_samples=500,
    precision="fp32",
    extractor=("mnist-cnn", "ab" * 32),
    versions=(("numpy", "2.0"), ("torch", "2.9.0")),
)


def expectation(**changed):
    facts = {"low": 15.0, "high": 30.0, "mean": 20.0, "failures": 0, "values": [19.0, 20.0, 21.0]}
    known = Expectation(
        part=1.0,
        metric="fid",
        confidence=0.9875,
        budget={"images": 240_000.0},
        seeds=(0, 1, 2),
        protocol=PROTOCOL,
        settings={"gan": "0123456789ab"},
        variants={"gan": facts},
        source={"device": 'AMD "EPYC", 1 thread', "git_commit": "0123abcd"},
    )
    return dataclasses.replace(known, **changed)


@pytest.fixture
def toy_family(monkeypatch, toys):
    """Two toys in place of the founding variants."""
    registry.load_plugin(toys)
    monkeypatch.setattr(reproduce, "FOUNDING", TOYS)


@pytest.fixture(scope="module")
def ranges():
    """The text of the ranges made from four seeds of the toys, once they were run."""
    return []


@pytest.fixture
def recorded(bench, suite, toy_family, tmp_path, ranges):
    """The file of the ranges made from four seeds of the toys."""
    path = tmp_path / "expected.json"
    if not ranges:
        bench(seeds=[0, 1, 2, 4], plugins=[])
        write(path, "digits", *made_from(tmp_path / "out", read_suite(suite())))
        ranges.append(path.read_text(encoding="utf-8"))
    path.write_text(ranges[0], encoding="utf-8")
    return path


@pytest.fixture
def changed(recorded):
    """Change the recorded ranges."""

    def change(function):
        made = read(recorded, "digits", "smoke")
        write(recorded, "digits", "smoke", dataclasses.replace(made, **function(made)))

    return change


@pytest.fixture
def run(recorded, suite, capsys):
    """Verify with the toys; returns the exit status and the output."""

    def verify_it(*words):
        path = suite(name="digits.toml")
        named = ["--suite", path, "--expected", recorded, "--preset", "smoke", "--jobs", "1", "--device", "cpu", *words]
        status = main([str(word) for word in named])
        output = capsys.readouterr()
        return status, output.out, output.err

    return verify_it


def assert_ranges_follow(facts, values, confidence, rel):
    """They are the prediction interval of one more lognormal value, in closed form."""
    logs = np.log(values)
    half = stats.t.ppf((1 + confidence) / 2, len(logs) - 1) * logs.std(ddof=1) * math.sqrt(1 + 1 / len(logs))
    found = [facts["low"], facts["mean"], facts["high"]]
    assert found == pytest.approx(np.exp([logs.mean() - half, logs.mean(), logs.mean() + half]), rel=rel)


def test_a_folder_gives_the_prediction_interval_of_its_seeds(bench, suite, toy_family, tmp_path):
    outcome = bench(seeds=[0, 1, 2, 4], plugins=[])
    preset, made = made_from(tmp_path / "out", read_suite(suite()))
    assert (preset, made.part, made.budget, made.seeds) == ("smoke", 0.4, {"images": 64.0}, (0, 1, 2, 4))
    assert made.confidence == pytest.approx(1 - 0.05 / 2)
    assert (made.protocol.num_samples, made.protocol.extractor[0]) == (140, "digits-cnn")
    measured = outcome.results.metrics.query("metric == 'fid' and fraction == @made.part").set_index("variant")
    for name in TOYS:
        assert_ranges_follow(made.variants[name], measured.loc[name, "value"].to_numpy(), 1 - 0.05 / 2, rel=1e-6)


def edited(folder, run, change):
    """Change the rows of a run."""
    (path,) = (folder / "records").glob(f"{run}-*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
        # What is written by hand has no checksums, as records of earlier versions.
        for key in ("crc", "digest"):
            row.pop(key, None)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_part_with_a_failed_run_is_skipped_and_failures_are_counted_at_the_end(bench, suite, toy_family, tmp_path):
    bench(seeds=[0, 1, 2, 4], plugins=[])

    def one_mode_early(row):
        if row["row"] == "metrics" and row["fraction"] < 1:
            row["values"]["modes"] = 1.0

    def failed_in_the_end(row):
        if row["row"] == "end":
            row["status"] = "diverged"

    edited(tmp_path / "out", "sibling-seed1", one_mode_early)
    _, whole = made_from(tmp_path / "out", read_suite(suite()))
    assert (whole.part, whole.variants["sibling"]["failures"]) == (1.0, 0)
    edited(tmp_path / "out", "sibling-seed1", failed_in_the_end)
    _, whole = made_from(tmp_path / "out", read_suite(suite()))
    assert whole.variants["sibling"]["failures"] == 1
    assert len(whole.variants["sibling"]["values"]) == 3


def test_a_run_of_the_part_has_the_values_of_a_whole_run_at_that_point(run, recorded, changed, tmp_path):
    made = read(recorded, "digits", "smoke")
    changed(lambda _: {"seeds": (1, 2, 4)})
    assert run("--out", tmp_path / "part")[0] == 0
    runs = read_results(tmp_path / "part").runs.set_index("variant")
    for name in TOYS:
        assert (runs.loc[name, "seed"], runs.loc[name, "images"]) == (0, 64)
        assert runs.loc[name, "final_fid_digits-cnn"] == pytest.approx(made.variants[name]["values"][0], rel=1e-5)


def test_folders_without_a_range_are_refused(bench, suite, toy_family, tmp_path, monkeypatch):
    bench(seeds=[0, 1], plugins=[])
    known = read_suite(suite())
    with pytest.raises(GanZooError, match=r"fewer than 3 .* of by_heart"):
        made_from(tmp_path / "out", known)
    with pytest.raises(GanZooError, match="'Toys'"):
        made_from(tmp_path / "out", read_suite(suite(('title = "Toys"', 'title = "Others"'))))
    monkeypatch.setattr(reproduce, "FOUNDING", ("gan", "by_heart"))
    with pytest.raises(GanZooError, match="no run of gan"):
        made_from(tmp_path / "out", known)
    next((tmp_path / "out" / "records").glob("sibling-seed1-*.jsonl")).unlink()
    with pytest.raises(GanZooError, match="unfinished"):
        made_from(tmp_path / "out", known)


def test_ranges_are_read_back_and_those_of_other_presets_stay(tmp_path):
    path = tmp_path / "expected.json"
    other, newer = expectation(budget={"epochs": 0.5}), expectation(seeds=(0, 1, 2, 3))
    written = (("mnist", "smoke", expectation()), ("digits", "smoke", other), ("mnist", "quick", newer))
    for suite, preset, made in written:
        write(path, suite, preset, made)
    assert read(path, "mnist", "smoke") == expectation()
    assert read(path, "digits", "smoke") == other
    assert read(path, "mnist", "quick") == newer


def test_a_missing_or_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "expected.json"
    with pytest.raises(GanZooError, match="--update"):
        read(path, "mnist", "smoke")
    write(path, "mnist", "smoke", expectation())
    with pytest.raises(GanZooError, match="mnist smoke"):
        read(path, "mnist", "full")
    path.write_text(path.read_text().replace("seeds", "seed"))
    with pytest.raises(GanZooError, match="damaged"):
        read(path, "mnist", "smoke")


@pytest.mark.parametrize(
    ("whole", "point"),
    [({"images": 240_000.0}, 12_800 / 240_000), ({"epochs": 200.0}, 25_600 / 12_000_000), ({"steps": 1_200.0}, 1 / 6)],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_part_is_cut_from_the_suite_as_it_was_recorded(suite, whole, point):
    ((unit, amount),) = whole.items()
    known = read_suite(suite(("images = 160", f"{unit} = {amount}"), ("[0.4, 1.0]", "[0.5, 1.0]")))
    preset = cut(known, "smoke", point).preset("smoke")
    assert preset.budget == part_of(whole, point)
    assert preset.evaluation_points(60_000) == (1.0,)
    assert part_of({"images": 240_000.0}, 204_800 / 240_000) == {"images": 204_800.0}


def test_this_machine_reproduces_itself_with_a_new_seed(run):
    status, out, _ = run()
    assert status == 0, out
    assert "seed 3" in out
    assert out.count("True") == len(TOYS)
    assert "seed 1" in run("--seed", "1")[2]


def test_a_value_outside_its_range_is_named_and_fails(run, changed):
    low = {"low": 1e-6, "high": 1e-5}
    changed(lambda made: {"variants": {**made.variants, "sibling": {**made.variants["sibling"], **low}}})
    status, _, err = run()
    assert status == 1
    assert err == "error: not reproduced: sibling\n"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("num_samples", 500, ("500", "140")),
        ("extractor", ("digits-cnn", "ab" * 32), ("extractor", "abababababab")),
        ("extractor", ("other", "ab" * 32), ("extractor", "other")),
        ("data", ("digits", "cd" * 32), ("data", "cdcdcdcdcdcd")),
        ("side", "64 x 64, 1 channel", ("64 x 64", "32 x 32")),
        ("budget", {"images": 320.0}, ("320 images", "64 images")),
    ],
)
def test_ranges_of_another_protocol_are_refused_before_training(run, changed, monkeypatch, field, value, words):
    if field == "budget":
        changed(lambda _: {field: value})
    else:
        changed(lambda made: {"protocol": dataclasses.replace(made.protocol, **{field: value})})
    monkeypatch.setattr(reproduce, "run_plan", lambda *_args, **_options: pytest.fail("trained"))
    status, _, err = run()
    assert status == 2
    assert len(err.splitlines()) == 1
    assert all(word in err for word in words)


def test_ranges_of_other_settings_are_refused_before_training(run, changed, suite, monkeypatch, tmp_path):
    monkeypatch.setattr(reproduce, "run_plan", lambda *_args, **_options: pytest.fail("trained"))
    (tmp_path / "other").mkdir()
    other = suite(("batch_size = 16", "batch_size = 20"), name="other/digits.toml")
    status, _, err = run("--suite", other)
    assert status == 2
    assert "by_heart and sibling" in err
    changed(lambda made: {"settings": {**made.settings, "sibling": "0" * 12}})
    status, _, err = run()
    assert status == 2
    assert "sibling" in err
    assert "by_heart" not in err


def test_other_versions_and_recorded_failures_are_reported(run, changed):
    def older(made):
        versions = tuple((name, "0.1") for name, _ in made.protocol.versions)
        variants = {**made.variants, "sibling": {**made.variants["sibling"], "failures": 1}}
        return {"protocol": dataclasses.replace(made.protocol, versions=versions), "variants": variants}

    assert "failed" not in run()[1]
    changed(older)
    status, out, _ = run()
    assert status == 0
    assert "torch 0.1" in out
    assert "failed" in out


def test_a_failed_run_is_not_reproduced(bench, toy_family):
    results = bench(seeds=[0], plugins=[]).results
    results.runs.loc[results.runs["variant"] == "sibling", "status"] = "out_of_memory"
    protocol = dataclasses.replace(PROTOCOL, extractor=("digits-cnn", ""))
    known = expectation(variants={name: {"low": 0.0, "high": 1e9} for name in TOYS}, protocol=protocol)
    assert checked(known, results.runs)["reproduced"].tolist() == [True, False]


def test_the_update_is_of_the_suite_that_is_named(bench, toy_family, suite, tmp_path, capsys):
    bench(seeds=[0, 1, 2], plugins=[])
    words = ["--update", str(tmp_path / "out"), "--expected", str(tmp_path / "ranges.json"), "--suite"]
    assert main([*words, str(suite(name="mine.toml"))]) == 0
    assert read(tmp_path / "ranges.json", "mine", "smoke").seeds == (0, 1, 2)
    assert main([*words, str(suite(('title = "Toys"', 'title = "Others"')))]) == 2


@pytest.mark.parametrize("preset", json.loads(EXPECTED.read_text(encoding="utf-8"))["mnist"])
def test_the_shipped_ranges_follow_from_their_values_and_are_of_the_suite_as_it_is(preset):
    shipped = read(EXPECTED, "mnist", preset)
    suite = read_suite("mnist")
    assert tuple(shipped.variants) == tuple(shipped.settings) == reproduce.FOUNDING
    assert shipped.confidence == pytest.approx(1 - 0.05 / 4)
    assert shipped.protocol.num_samples == suite.preset(preset).num_samples
    assert cut(suite, preset, shipped.part).preset(preset).budget == shipped.budget
    for facts in shipped.variants.values():
        assert len(facts["values"]) + facts["failures"] == len(shipped.seeds)
        assert_ranges_follow(facts, facts["values"], shipped.confidence, rel=1e-4)


@pytest.fixture
def same(tmp_path, bench, capsys):
    """Compare a run with its copy, after a change of a value in a run of sibling; returns exit status and output."""
    bench(seeds=[0, 1])

    def compare(key="", value="", runs=None):
        second = tmp_path / f"{key} {runs}"
        shutil.copytree(tmp_path / "out", second)

        def change(row):
            values = row.get("values", row)
            if key in values:
                values[key] = value

        edited(second, "sibling-seed1", change)
        manifest = json.loads((second / "manifest.json").read_text())
        (second / "manifest.json").write_text(json.dumps(manifest | {"runs": manifest["runs"][:runs]}))
        capsys.readouterr()
        status = main(["--same", str(tmp_path / "out"), "--out", str(second)])
        output = capsys.readouterr()
        return status, output.out + output.err

    return compare


def test_only_timings_may_differ_and_the_last_digit_counts(same):
    status, output = same("seconds", 9.75)
    assert (status, "rows of summary" in output) == (0, True)
    for key, value in (("fid", 21.000000000000004), ("status", "collapsed")):
        status, output = same(key, value)
        (line,) = [line for line in output.splitlines() if line.startswith("error")]
        assert (status, "seed 1" in line, key in line) == (1, True, True)


def test_only_common_runs_are_compared(same, tmp_path):
    status, output = same(runs=-1)
    assert status == 0
    assert "rows of history" in output
    assert "summary" not in output
    assert main(["--same", str(tmp_path / "out"), "--out", str(tmp_path / "nowhere")]) == 2
