"""Damaged records and checkpoints: reported, never used, and the same command gives the numbers of an undamaged run."""

import json
import shutil

import pytest
from results_folders import Notices, assert_same_tables, content

from gan_zoo.bench.compare import compare
from gan_zoo.bench.folder import damages
from gan_zoo.bench.tables import write_tables
from gan_zoo.tensors import load_tensors, save_tensors

slow = pytest.mark.slow
ALONE = {"seeds": [0], "variants": ["by_heart", "sibling"]}


def records(folder, variant):
    (path,) = (folder / "records").glob(f"{variant}-seed0-*.jsonl")
    return path


def damage(path, line):
    """Change one digit or letter of a line's content."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b'"row"', b'"raw"', 1)
    path.write_bytes(b"".join(lines))


@pytest.fixture
def whole(bench, tmp_path):
    """The folder of an undamaged run, and a copy of it to damage."""
    bench("whole", **ALONE)
    shutil.copytree(tmp_path / "whole", tmp_path / "out")
    return tmp_path / "whole"


@slow
@pytest.mark.parametrize("kind", ["begin", "history", "metrics", "samples", "end"])
def test_a_damaged_line_of_a_finished_run_has_it_trained_again(bench, whole, tmp_path, kind):
    path = records(tmp_path / "out", "sibling")
    kinds = [json.loads(line)["row"] for line in path.read_text().splitlines()]
    line = 1 + kinds.index(kind)
    damage(path, line)
    (note,) = damages(tmp_path / "out")
    assert note.startswith(f"{path} is damaged in line {line}")
    others = {file: facts for file, facts in content(tmp_path / "out").items() if "sibling" not in str(file)}
    notices = Notices()
    bench("out", listener=notices, **ALONE)
    assert [text for text in notices.texts if "damaged" in text] == [note]
    assert_same_tables(whole, tmp_path / "out")
    assert damages(tmp_path / "out") == []
    assert others.items() <= content(tmp_path / "out").items()


@slow
def test_a_damaged_run_is_unfinished_in_the_tables_and_in_no_mean(whole, tmp_path):
    damage(records(tmp_path / "out", "sibling"), 2)
    results = write_tables(tmp_path / "out")
    statuses = {"real": "ok", "by_heart": "ok", "sibling": "unfinished"}
    assert results.runs.set_index("variant")["status"].to_dict() == statuses
    assert set(results.summary.set_index("variant").loc[["sibling"], "seeds"]) == {0}


@slow
@pytest.mark.parametrize("line", [1, 2])
@pytest.mark.parametrize("part", ["start", "train_to"])
def test_a_run_that_is_trained_again_never_resumes_from_what_it_replaces(
    bench, whole, tmp_path, monkeypatch, line, part
):
    """It fails before its first checkpoint: those of the damaged records are of another beginning."""
    damage(records(tmp_path / "out", "sibling"), line)

    def fail(*_args, **_kwargs):
        raise RuntimeError("planned")

    with monkeypatch.context() as patch:
        patch.setattr(f"gan_zoo.bench.run.{part}", fail)
        assert bench("out", **ALONE).errors == ("sibling seed 0: RuntimeError: planned",)
    bench("out", **ALONE)
    assert_same_tables(whole, tmp_path / "out")


@slow
def test_a_torn_last_line_is_no_damage(bench, whole, tmp_path):
    path = records(tmp_path / "out", "sibling")
    path.write_bytes(path.read_bytes()[:-9])
    notices = Notices()
    bench("out", listener=notices, **ALONE)
    assert not [text for text in notices.texts if "damaged" in text]
    assert_same_tables(whole, tmp_path / "out")


@slow
def test_compare_reports_damage(whole, tmp_path):
    bench_of = shutil.copytree(whole, tmp_path / "later")
    path = records(bench_of, "sibling")
    damage(path, 3)
    notes = compare([whole, bench_of]).notes
    assert [note for note in notes if f"{path} is damaged in line 3" in note]
    assert not [note for note in compare([whole, tmp_path / "out"]).notes if "damaged" in note]


@pytest.mark.parametrize(
    ("how", "which"),
    [
        ("flipped", ["last"]),
        pytest.param("empty", ["last"], marks=slow),
        pytest.param("facts", ["last"], marks=slow),
        pytest.param("missing", ["last"], marks=slow),
        pytest.param("truncated", ["last", "previous"], marks=slow),
        pytest.param("missing", ["last", "previous"], marks=slow),
        pytest.param("flipped", ["previous"], marks=slow),
    ],
)
def test_checkpoints_that_are_damaged_or_missing(bench, tmp_path, how, which):
    """An extended run resumes from the one before, or is trained from the start, to the same numbers."""
    longer = ("images = 160", "images = 352")
    points = ("[0.4, 1.0]", "[0.5, 1.0]")
    bench("out", **ALONE)
    for path in (tmp_path / "out" / "checkpoints").glob("sibling-*"):
        if ("previous" if "previous" in path.name else "last") in which:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 4
            if how == "missing":
                path.unlink()
            elif how == "facts":
                found, metadata = load_tensors(path)
                save_tensors(path, found, {"facts": json.dumps(json.loads(metadata["facts"]) | {"history": 5})})
            else:
                path.write_bytes({"flipped": bytes(content), "truncated": content[:-50], "empty": b""}[how])
    notices = Notices()
    bench("out", longer, points, listener=notices, **ALONE)
    bench("whole", longer, points, **ALONE)
    assert_same_tables(tmp_path / "whole", tmp_path / "out")
    assert any("sibling" in text for text in notices.texts) == (
        "last" in which and (how != "missing" or len(which) == 2)
    )
    rows = [json.loads(line)["row"] for line in records(tmp_path / "out", "sibling").read_text().splitlines()]
    assert rows.count("begin") == 1 + (len(which) == 2)
