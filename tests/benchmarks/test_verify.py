"""Expected ranges: how they are made, the file that keeps them, and a machine that is verified from end to end."""

import dataclasses
import json
import math

import expectations
import numpy as np
import pytest
import verify
from expectations import Expectation, judged, made_from, part_of, read, write
from scipy import stats

from gan_zoo import registry
from gan_zoo.bench.fingerprint import Protocol
from gan_zoo.bench.suite import read_suite
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError

pytestmark = pytest.mark.slow

TOYS = ("by_heart", "sibling")
PROTOCOL = Protocol(data=("mnist", "cd" * 32), split="test", side="32 x 32, 1 channel", n=500, precision="fp32",
                    extractor=("mnist-cnn", "ab" * 32), versions=(("numpy", "2.0"), ("torch", "2.9.0")))  # fmt: skip


def expectation(**changed):
    facts = {"low": 15.0, "high": 30.0, "mean": 20.0, "failures": 0, "values": [19.0, 20.0, 21.0]}
    known = {"suite": "mnist", "preset": "smoke", "part": 1.0, "measure": "fid", "family": 0.95, "confidence": 0.9875,
             "budget": {"images": 240_000.0}, "seeds": (0, 1, 2), "protocol": PROTOCOL, "variants": {"gan": facts},
             "settings": {"gan": "0123456789ab"},
             "source": {"device": 'AMD "EPYC", 1 thread', "git_commit": "0123abcd"}}  # fmt: skip
    return Expectation(**(known | changed))


@pytest.fixture
def toy_family(monkeypatch, toys):
    """Two toys in place of the founding variants."""
    registry.load_plugin(toys)
    for module in (verify, expectations):
        monkeypatch.setattr(module, "FOUNDING", TOYS)


@pytest.fixture(scope="module")
def ranges():
    """The text of the ranges made from four seeds of the toys, once they were run."""
    return []


@pytest.fixture
def recorded(bench, toy_family, tmp_path, ranges):
    """The file of the ranges made from four seeds of the toys."""
    path = tmp_path / "expected.toml"
    if not ranges:
        bench(seeds=[0, 1, 2, 4], plugins=[])
        (tmp_path / "toys.toml").rename(tmp_path / "digits.toml")
        write(path, made_from(tmp_path / "out", tmp_path))
        ranges.append(path.read_text(encoding="utf-8"))
    path.write_text(ranges[0], encoding="utf-8")
    return path


@pytest.fixture
def run(recorded, suite, capsys):
    """Verify with the toys; gives the exit status and what was printed."""

    def verify_it(*words):
        named = {"--suite": suite(name="digits.toml"), "--expected": recorded, "--preset": "smoke", "--jobs": 1,
                 "--device": "cpu"}  # fmt: skip
        status = verify.main([str(word) for word in [*(part for pair in named.items() for part in pair), *words]])
        said = capsys.readouterr()
        return status, said.out, said.err

    return verify_it


def test_a_folder_gives_the_prediction_interval_of_its_seeds_at_each_part(bench, toy_family, tmp_path):
    outcome = bench(seeds=[0, 1, 2, 4], plugins=[])
    part, whole = made_from(tmp_path / "out", tmp_path)
    assert (part.part, part.budget, whole.part, whole.budget) == (0.4, {"images": 64.0}, 1.0, {"images": 160.0})
    for made in (part, whole):
        assert made.confidence == pytest.approx(1 - 0.05 / 2)
        assert (made.suite, made.preset, made.seeds) == ("toys", "smoke", (0, 1, 2, 4))
        assert (made.protocol.n, made.protocol.extractor[0]) == (140, "digits-cnn")
        measured = outcome.results.metrics.query("metric == 'fid' and fraction == @made.part").set_index("variant")
        for name in TOYS:
            logs = np.log(measured.loc[name, "value"].to_numpy())
            half = stats.t.ppf(1 - 0.05 / 4, 3) * logs.std(ddof=1) * math.sqrt(1 + 1 / 4)
            assert made.variants[name]["low"] == pytest.approx(math.exp(logs.mean() - half))
            assert made.variants[name]["high"] == pytest.approx(math.exp(logs.mean() + half))
            assert made.variants[name]["mean"] == pytest.approx(math.exp(logs.mean()))


def edited(folder, cell, change):
    """Change the rows of a cell."""
    (path,) = (folder / "cells").glob(f"{cell}-*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
        # What is written by hand has no checksums, as records of earlier versions.
        for key in ("crc", "digest"):
            row.pop(key, None)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_part_at_which_a_run_had_failed_is_passed_over_and_failures_are_counted_at_the_end(
    bench, toy_family, tmp_path
):
    bench(seeds=[0, 1, 2, 4], plugins=[])

    def one_mode_early(row):
        if row["row"] == "metrics" and row["fraction"] < 1:
            row["values"]["modes"] = 1.0

    def failed_in_the_end(row):
        if row["row"] == "end":
            row["status"] = "diverged"

    edited(tmp_path / "out", "sibling-seed1", one_mode_early)
    (whole,) = made_from(tmp_path / "out", tmp_path)
    assert (whole.part, whole.variants["sibling"]["failures"]) == (1.0, 0)
    edited(tmp_path / "out", "sibling-seed1", failed_in_the_end)
    (whole,) = made_from(tmp_path / "out", tmp_path)
    assert whole.variants["sibling"]["failures"] == 1
    assert len(whole.variants["sibling"]["values"]) == 3


def test_a_run_of_the_part_alone_has_the_very_values_of_a_whole_run_at_that_point(run, recorded, monkeypatch, tmp_path):
    made = read(recorded, "digits", "smoke")
    write(recorded, [dataclasses.replace(made, seeds=(1, 2, 4))])
    assert run("--out", tmp_path / "part")[0] == 0
    runs = read_results(tmp_path / "part").runs.set_index("variant")
    for name in TOYS:
        assert runs.loc[name, "seed"] == 0
        assert runs.loc[name, "images"] == 64
        assert runs.loc[name, "final_fid_digits-cnn"] == pytest.approx(made.variants[name]["values"][0], rel=1e-5)


def test_what_gives_no_range_is_one_line(bench, toy_family, tmp_path, monkeypatch):
    bench(seeds=[0, 1], plugins=[])
    with pytest.raises(GanZooError, match="fewer than 3 seeds of by_heart"):
        made_from(tmp_path / "out", tmp_path)
    monkeypatch.setattr(expectations, "FOUNDING", ("gan", "by_heart"))
    with pytest.raises(GanZooError, match="no run of gan"):
        made_from(tmp_path / "out", tmp_path)
    next((tmp_path / "out" / "cells").glob("sibling-seed1-*.jsonl")).unlink()
    with pytest.raises(GanZooError, match="unfinished"):
        made_from(tmp_path / "out", tmp_path)


def test_sections_are_read_back_and_those_of_other_presets_stay(tmp_path):
    path = tmp_path / "expected.toml"
    first, early = expectation(), expectation(part=0.3, budget={"images": 72_000.0})
    other, newer = expectation(suite="digits", budget={"epochs": 0.5}), expectation(preset="quick", seeds=(0, 1, 2, 3))
    assert write(path, [early, first]) == "mnist.smoke.at_72000_images, mnist.smoke.at_240000_images"
    write(path, [other])
    write(path, [newer])
    assert read(path, "mnist", "smoke") == early
    assert read(path, "mnist", "smoke", whole=True) == first
    assert read(path, "digits", "smoke") == other
    assert read(path, "mnist", "quick") == newer
    once = path.read_bytes()
    write(path, [early, first])
    assert path.read_bytes() == once
    write(path, [first])
    assert read(path, "mnist", "smoke") == first


@pytest.mark.parametrize(
    ("whole", "point"),
    [({"images": 240_000.0}, 12_800 / 240_000), ({"epochs": 200.0}, 25_600 / 12_000_000), ({"steps": 1_200.0}, 1 / 6)],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_part_that_is_no_round_number_is_cut_from_the_suite_as_it_was_recorded(suite, tmp_path, whole, point):
    path = tmp_path / "expected.toml"
    write(path, [expectation(part=point, budget=part_of(whole, point)), expectation(budget=whole)])
    kept = read(path, "mnist", "smoke")
    ((unit, amount),) = whole.items()
    asked = read_suite(suite(("images = 160", f"{unit} = {amount}"), ("[0.4, 1.0]", "[0.5, 1.0]")))
    cut = verify._cut(asked, "smoke", kept.part).preset("smoke")
    assert cut.budget == kept.budget
    assert cut.evaluation_points(60_000) == (1.0,)


def test_a_part_of_a_budget_is_the_point_to_the_bit():
    assert part_of({"images": 240_000.0}, 204_800 / 240_000) == {"images": 204_800.0}
    assert part_of({"steps": 50_000.0}, 200 / 50_000) == {"steps": 200.0}


def test_a_file_without_the_section_or_a_damaged_one_is_one_line(tmp_path):
    path = tmp_path / "expected.toml"
    with pytest.raises(GanZooError, match="--update"):
        read(path, "mnist", "smoke")
    write(path, [expectation()])
    with pytest.raises(GanZooError, match="it has: mnist smoke"):
        read(path, "mnist", "full")
    path.write_text(path.read_text().replace("seeds", "seed"))
    with pytest.raises(GanZooError, match="damaged"):
        read(path, "mnist", "smoke")


def test_this_machine_reproduces_itself_with_a_seed_that_is_new(run):
    status, out, _ = run()
    assert status == 0, out
    assert "reproduces the expected ranges" in out
    assert "seed 3" in out
    assert out.count("yes") == len(TOYS)
    assert "seed 1 is one of those that the ranges were made from" in run("--seed", "1")[2]


def test_a_value_outside_its_range_is_named_and_fails(run, recorded):
    made = read(recorded, "digits", "smoke")
    shifted = {**made.variants, "sibling": {**made.variants["sibling"], "low": 1e-6, "high": 1e-5}}
    write(recorded, [dataclasses.replace(made, variants=shifted)])
    status, out, _ = run()
    assert status == 1
    assert "does not reproduce sibling:" in out


@pytest.mark.parametrize(("field", "value", "line"), [
    ("n", 500, "N: 500 expected, 140 here"),
    ("extractor", ("digits-cnn", "ab" * 32), "extractor: digits-cnn (abababababab) expected, digits-cnn ("),
    ("extractor", ("other", "ab" * 32), "extractor: other (abababababab) expected, other (not recorded) here"),
    ("data", ("digits", "cd" * 32), "data: digits (cdcdcdcdcdcd) expected, digits ("),
    ("side", "64 x 64, 1 channel", "image side: 64 x 64, 1 channel expected, 32 x 32, 1 channel here"),
    ("budget", {"images": 320.0}, "budget: 320 images expected, 64 images here"),
])  # fmt: skip
def test_ranges_of_another_protocol_are_refused_before_training(run, recorded, monkeypatch, field, value, line):
    made = read(recorded, "digits", "smoke")
    other = {field: value}
    if field != "budget":
        other = {"protocol": dataclasses.replace(made.protocol, **other)}
    write(recorded, [dataclasses.replace(made, **other)])
    monkeypatch.setattr(verify, "run_plan", lambda *_args, **_options: pytest.fail("trained"))
    status, _, err = run()
    assert status == 2
    assert len(err.splitlines()) == 1
    assert line in err


@pytest.mark.parametrize(("changed", "line"), [
    (["sibling"], "digits.toml's sibling has other settings than the range was made from; make new ranges with"),
    ([*TOYS], "digits.toml's by_heart and sibling have other settings than the ranges were made from; make new ranges"),
])  # fmt: skip
def test_ranges_of_other_settings_are_refused_before_training(run, recorded, monkeypatch, changed, line):
    made = read(recorded, "digits", "smoke")
    assert set(made.settings) == set(TOYS)
    write(recorded, [dataclasses.replace(made, settings={**made.settings, **dict.fromkeys(changed, "0" * 12)})])
    monkeypatch.setattr(verify, "run_plan", lambda *_args, **_options: pytest.fail("trained"))
    status, _, err = run()
    assert status == 2
    assert len(err.splitlines()) == 1
    assert line in err


def test_another_batch_size_in_the_suite_is_another_setting(run, suite, monkeypatch, tmp_path):
    monkeypatch.setattr(verify, "run_plan", lambda *_args, **_options: pytest.fail("trained"))
    (tmp_path / "other").mkdir()
    other = suite(("batch_size = 16", "batch_size = 20"), name="other/digits.toml")
    status, _, err = run("--suite", other)
    assert status == 2
    assert "digits.toml's by_heart and sibling have other settings" in err


def test_where_recorded_runs_failed_no_rate_of_misses_is_claimed(run, recorded):
    claim = "in at most 5% of checks"
    assert claim in run()[1]
    made = read(recorded, "digits", "smoke")
    kept = made.variants["sibling"]["values"][:3]
    shaky = {**made.variants, "sibling": {**made.variants["sibling"], "failures": 1, "values": kept}}
    write(recorded, [dataclasses.replace(made, variants=shaky)])
    out = run()[1]
    assert claim not in out
    assert "some had failed by then (sibling 1 of 4)" in out


def test_ranges_are_named_by_the_suite_file_of_the_runs_title(bench, toy_family, suite, tmp_path, capsys):
    bench(seeds=[0, 1, 2], plugins=[])
    expected, words = tmp_path / "ranges.toml", ["--update", str(tmp_path / "out"), "--expected"]
    for other in ("mine", "yours"):
        (tmp_path / other).mkdir()
    (tmp_path / "toys.toml").rename(tmp_path / "mine" / "by_title.toml")
    (tmp_path / "mine" / "no_suite.toml").write_text("[")
    suite(('title = "Toys"', 'title = "Others"'), name="yours/toys.toml")
    assert verify.main([*words, str(expected), "--suite", str(tmp_path / "mine" / "any.toml")]) == 0
    assert read(expected, "by_title", "smoke").suite == "by_title"
    capsys.readouterr()
    assert verify.main([*words, str(expected), "--suite", str(tmp_path / "yours" / "any.toml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'Toys'" in line
    assert "no suite file has that title" in line


def test_other_versions_are_only_said(run, recorded):
    made = read(recorded, "digits", "smoke")
    older = dataclasses.replace(made.protocol, versions=tuple((name, "0.1") for name, _ in made.protocol.versions))
    write(recorded, [dataclasses.replace(made, protocol=older)])
    status, out, _ = run()
    assert status == 0
    assert "note: versions: " in out
    assert "torch 0.1" in out


def test_a_failed_run_is_not_reproduced(bench, tmp_path, toy_family):
    results = bench(seeds=[0], plugins=[]).results
    results.runs.loc[results.runs["variant"] == "sibling", "status"] = "out_of_memory"
    facts = {"low": 0.0, "high": 1e9}
    protocol = dataclasses.replace(PROTOCOL, extractor=("digits-cnn", ""))
    rows = judged(expectation(variants=dict.fromkeys(TOYS, facts), protocol=protocol), results.runs)
    assert [row["verdict"] for row in rows] == ["yes", "no (out of memory)"]
