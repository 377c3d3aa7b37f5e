"""Records outlive a kill at any byte."""

import json
import math
import os

import pytest

from gan_zoo.bench.folder import read_manifest, read_runs
from gan_zoo.bench.records import append, read_run, write_json
from gan_zoo.errors import GanZooError

BEGIN = {"row": "begin", "variant": "gan", "seed": 0, "data": "mnist", "preset": "quick"}
END = {"row": "end", "status": "ok", "steps": 3, "images": 48, "seconds": 1.5}
DATA = {"name": "mnist", "title": "MNIST"}
MANIFEST = {"runs": ["a"], "data": DATA, "preset": "quick", "variants": ["gan"], "seeds": [0]}


def at(step):
    return {"step": step, "images": 16 * step, "seconds": step / 2}


def history(step, value=0.5):
    return {"row": "history", **at(step), "values": {"discriminator_loss": value}}


def metrics(step):
    return {"row": "metrics", **at(step), "fraction": 1.0, "extractor": "mnist-cnn", "values": {"fid": 1.0}}


def samples(step):
    tiles = {"columns": 5, "rows": 4, "height": 32, "width": 32}
    return {"row": "samples", **at(step), "fraction": 1.0, "kind": "grid", "file": f"{step}.png", **tiles}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gan-seed0-01234567.jsonl"


@pytest.fixture
def run(path):
    def written(*rows):
        for row in rows:
            append(path, row)
        return read_run(path)

    return written


def steps(rows):
    return [row["step"] for row in rows]


def test_what_was_appended_is_read(run):
    assert run(BEGIN, history(1), metrics(1), samples(1), history(2)).status == "unfinished"
    read = run(END)
    assert (read.name, read.begin, read.end) == ("gan-seed0-01234567", BEGIN, END)
    assert (steps(read.history), steps(read.metrics), steps(read.samples)) == ([1, 2], [1], [1])
    assert read.history[0]["values"] == {"discriminator_loss": 0.5}
    assert read.status == "ok"


def test_a_kill_at_any_byte_loses_at_most_the_last_row(run, path):
    run(BEGIN, history(1), history(2))
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for length in range(start, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert steps(read_run(path).history) == [1]


def test_a_run_continues_behind_a_torn_row(run, path):
    run(BEGIN, history(1), history(2))
    path.write_bytes(path.read_bytes()[:-7])
    read = run({"row": "resume", "step": 1}, history(2, 0.25), END)
    assert [row["values"]["discriminator_loss"] for row in read.history] == [0.5, 0.25]
    assert read.status == "ok"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 5, "the torn row is removed"


@pytest.mark.parametrize("torn", [b"\x00\x00\x00", b"\xff\xfe", b'{"row":"history","step":7,"values":{}}'])
def test_a_last_line_without_its_end_is_removed(run, path, torn):
    run(BEGIN, history(1))
    path.write_bytes(path.read_bytes() + torn)
    assert steps(read_run(path).history) == [1]
    assert steps(run(history(2)).history) == [1, 2]


def test_begin_voids_what_stands_before_it(run):
    again = BEGIN | {"started": "later"}
    read = run(BEGIN, history(1), metrics(1), samples(1), END, again, history(3))
    assert (read.begin, steps(read.history), read.metrics, read.samples) == (again, [3], [], [])
    assert read.status == "unfinished"


def test_resume_voids_later_rows_and_the_end(run):
    before = [row(step) for step in (1, 2, 3) for row in (history, metrics, samples)]
    read = run(BEGIN, *before, END, {"row": "resume", "step": 2})
    assert [steps(rows) for rows in (read.history, read.metrics, read.samples)] == [[1, 2]] * 3
    assert read.status == "unfinished"


@pytest.mark.parametrize("resumed", [False, True])
def test_the_row_of_an_incomplete_interval_is_replaced_when_the_run_is_extended(run, resumed):
    rows = [BEGIN, history(50), history(60) | {"partial": True}, END]
    assert steps(run(*rows).history) == [50, 60]
    if resumed:
        assert steps(run({"row": "resume", "step": 60}, history(100), END).history) == [50, 100]


WHOLE = (BEGIN, history(1), metrics(1), {"row": "resume", "step": 1}, history(2), metrics(2), END)


@pytest.mark.parametrize("line", range(1, 1 + len(WHOLE)))
def test_any_flipped_bit_of_a_line_is_damage_that_names_it(run, path, line):
    """Of every byte of the line one bit, the line end aside: a digit that is another digit is damage too."""
    run(*WHOLE)
    lines = path.read_bytes().splitlines(keepends=True)
    for place in range(len(lines[line - 1]) - 1):
        flipped = bytearray(lines[line - 1])
        flipped[place] ^= 1
        if flipped[place] == ord("\n"):
            continue
        path.write_bytes(b"".join([*lines[: line - 1], bytes(flipped), *lines[line:]]))
        read = read_run(path)
        assert read.damage.startswith(f"{path} is damaged in line {line}: "), bytes(flipped)
        assert read.status == "unfinished"


@pytest.mark.parametrize("line", [2, 5])
def test_a_line_that_is_missing_or_repeated_is_damage_of_the_end_row(run, path, line):
    run(*WHOLE)
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in ([*lines[: line - 1], *lines[line:]], [*lines[:line], *lines[line - 1 :]]):
        path.write_bytes(b"".join(changed))
        assert read_run(path).damage.startswith(f"{path} is damaged in line {len(changed)}: the lines above")


def test_a_run_that_is_begun_again_leaves_its_damage_behind(run, path):
    run(*WHOLE)
    path.write_bytes(path.read_bytes().replace(b'"fid":1.0', b'"fid":9.0'))
    assert read_run(path).damage
    read = run(BEGIN, history(1), metrics(1), END)
    assert (read.damage, read.status) == ("", "ok")


def test_records_of_earlier_versions_have_no_checksums(path):
    lines = [json.dumps(row) for row in (BEGIN, history(1), {"row": "resume", "step": 1}, history(2), END)]
    path.write_text("\n".join(lines) + "\n")
    read = read_run(path)
    assert (read.damage, read.status, steps(read.history)) == ("", "ok", [1, 2])
    path.write_text("\n".join([*lines[:3], lines[3][:9], *lines[4:]]) + "\n")
    assert read_run(path).damage == f"{path} is damaged in line 4: it is not JSON"


def test_what_json_lacks_is_null_and_any_text_stays_one_line(run, path):
    row = history(1) | {"values": {"a": math.nan, "b": math.inf, "c": -math.inf}}
    message = "line\nbreak \u2028 \x85 \x0b and 漢字"
    read = run(BEGIN, row, END | {"message": message})
    assert read.history[0]["values"] == dict.fromkeys("abc")
    assert read.end["message"] == message
    assert "NaN" not in path.read_text(encoding="utf-8")


def test_the_manifest_comes_back(tmp_path):
    write_json(tmp_path / "manifest.json", MANIFEST | {"wall_seconds": math.nan})
    assert read_manifest(tmp_path) == MANIFEST | {"wall_seconds": None}
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


@pytest.fixture
def folder(tmp_path):
    """A results folder whose manifest names these runs; that is a file a run, each with its rows."""

    def make(names, **runs):
        (tmp_path / "records").mkdir()
        write_json(tmp_path / "manifest.json", MANIFEST | {"runs": names})
        for name, rows in runs.items():
            (tmp_path / "records" / f"{name}.jsonl").touch()
            for row in rows:
                append(tmp_path / "records" / f"{name}.jsonl", row)
        return tmp_path

    return make


def test_runs_that_have_begun_are_read_in_the_order_of_the_manifest(folder):
    other = BEGIN | {"seed": 1}
    here = folder(["b", "missing", "torn", "a"], a=[BEGIN], b=[other], torn=[], unnamed=[BEGIN])
    (here / "records" / "torn.jsonl").write_text('{"row": "beg')
    assert [(run.name, run.begin) for run in read_runs(here)] == [("b", other), ("torn", {}), ("a", BEGIN)]


def test_a_run_of_a_variant_that_the_manifest_lacks_or_without_a_regular_file_is_damaged(folder):
    here = folder(["a", "b"], a=[BEGIN | {"variant": "other"}])
    os.mkfifo(here / "records" / "b.jsonl")
    first, second = read_runs(here)
    assert first.begin == second.begin == {}
    assert "'other' is none of manifest.json" in first.damage
    assert "no regular file" in second.damage


@pytest.mark.parametrize("content", [None, "", f"{json.dumps(BEGIN)}\n", f'{json.dumps(BEGIN)}\n{{"row": "metr'])
@pytest.mark.parametrize("finished", [True, False])
def test_records_that_end_before_a_finished_run_are_damaged(folder, content, finished):
    here = folder(["a"])
    write_json(here / "manifest.json", MANIFEST | {"runs": ["a"], "finished": finished})
    path = here / "records" / "a.jsonl"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    assert [f"{path} is cut off or missing" in run.damage for run in read_runs(here)] == (
        [True] if finished else [False] * (content is not None)
    )


def test_long_commands_and_overrides_are_read_again(tmp_path):
    command = f"gan-zoo bench x --seeds {','.join(str(2**53 - number) for number in range(1000))}"
    facts = {"command": command, "overrides": {"gan": ["x" * 100_000]}}
    write_json(tmp_path / "manifest.json", MANIFEST | facts)
    assert read_manifest(tmp_path)["command"] == command


METRIC = {"title": "T", "better": "lower", "range": "", "meaning": "", "limitations": "", "source": ""}


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (METRIC | {"name": "other"}, "metrics"),
        (METRIC | {"name": "mine", "bounds": ["classes", None]}, "metrics.mine.bounds"),
        (METRIC | {"name": "mine", "in_ranking": "x"}, "metrics.mine.in_ranking"),
        (METRIC | {"name": "mine", "order": 10**30}, "metrics.mine.order"),
    ],
)
def test_a_wrong_record_of_a_metric_is_named(tmp_path, record, key):
    write_json(tmp_path / "manifest.json", MANIFEST | {"metrics": {"mine": record}})
    with pytest.raises(GanZooError, match=f"key '{key}"):
        read_manifest(tmp_path)


def test_a_second_run_of_a_variant_and_seed_is_damaged(folder):
    first, second = read_runs(folder(["a", "b"], a=[BEGIN], b=[BEGIN]))
    assert (first.begin, first.damage) == (BEGIN, "")
    assert second.begin == {}
    assert "b.jsonl: another run" in second.damage


@pytest.mark.parametrize("key", ["variant", "seed", "data", "preset"])
def test_a_run_whose_first_row_is_incomplete_is_damaged(folder, key):
    here = folder(["a"], a=[{name: value for name, value in BEGIN.items() if name != key}])
    (run,) = read_runs(here)
    assert (run.begin, run.status) == ({}, "unfinished")
    assert run.damage.endswith(f"a.jsonl is damaged in line 1: key {key!r} is missing")


WRONG = [
    (history(1), "values", 5),
    (history(1), "step", "1"),
    (history(1), "step", True),
    (history(1), "images", -1),
    (history(1), "images", 10**400),
    (metrics(1), "extractor", "../up"),
    (metrics(1), "values", {"fid": "low"}),
    (samples(1), "file", "/etc/passwd"),
    (samples(1), "file", "a/../../b.png"),
    (samples(1), "file", "a\0b.png"),
    (metrics(1), "values", {"fid": 1e308}),
    (metrics(1), "num_samples", 0),
    (history(1), "values", {"step": 5.0}),
    (history(1), "values", {"variant": 5.0}),
    (samples(1), "columns", 10**9),
    (samples(1), "width", 10**9),
    (BEGIN, "variant", "../../x"),
    (BEGIN, "variant", "=cmd"),
    (BEGIN, "variant", "<b>"),
    (BEGIN, "identity", 5),
    (END, "status", ["ok"]),
]


@pytest.mark.parametrize(("row", "key", "value"), WRONG)
def test_a_wrong_value_is_damage_that_names_it(run, path, row, key, value):
    read = run(BEGIN, row | {key: value})
    assert read.damage.startswith(f"{path} is damaged in line 2: key '{key}")
    assert len(read.rows()) == 1


def test_a_last_line_that_no_kill_leaves_is_damage(path):
    path.write_bytes(b"\x7fELF\x02")
    assert "is damaged in line 1" in read_run(path).damage
    path.write_text(f"{json.dumps(BEGIN)}\nnothing")
    assert "is damaged in line 2" in read_run(path).damage


@pytest.mark.parametrize("text", ["[" * 100_000, '{"row": "history", "step": ' + "9" * 5000 + "}", '{"row": 5}', "[]"])
def test_a_line_that_is_no_row_is_damage(path, text):
    path.write_text(f"{json.dumps(BEGIN)}\n{text}\n")
    assert "is damaged in line 2" in read_run(path).damage


WRONG_FACTS = {
    "runs": [1],
    "seeds": 5,
    "variants": ["../x"],
    "versions": [],
    "num_samples": "x",
    "budget": 5,
    "ranked_by": "zzz",
    "extractors": {"mnist-cnn": 5},
    "metrics": {"mine": 5},
    "contrasts": [["gan"]],
    "overrides": {"gan": 5},
    "suite": 5,
    "evaluate_at": "x",
    "suite.presets": {"presets": 5},
    "suite.presets.quick.targets": {"presets": {"quick": {"targets": [1.0] * 5000}}},
    "suite.targets.0": {"targets": ["a"]},
    "command": 5,
    "executor": "slurm",
    "wall_seconds": "x",
    "notices": 5,
    "data": DATA | {"name": "../../../X"},
    "data.density": DATA | {"density": {"means": [[1.0]], "weights": [], "deviation": 1.0, "bins": 9, "scale": 1.0}},
    "data.density.+weights do not sum to 1": DATA
    | {"density": {"means": [[1.0]], "weights": [0.5], "deviation": 1.0, "bins": 9, "scale": 1.0}},
    "data.density.deviation": DATA | {"density": {"means": [[1.0]], "weights": [1.0], "deviation": 0.0}},
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it has no manifest.json"),
        (b'{"runs": [', "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "key 'runs' is missing"),
        (b'{"runs": [], "data": "mnist"}', "key 'data' is 'mnist'"),
        *(
            (json.dumps(MANIFEST | {key.split(".")[0]: value}).encode(), f"key '{key}")
            for key, value in WRONG_FACTS.items()
        ),
    ],
)
def test_a_manifest_that_is_none(tmp_path, content, message):
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(GanZooError, match=message) as error:
        read_manifest(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(GanZooError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")
