"""A full disk at any write of a command that trains nothing: one line with the path, and the old files as they were."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from full_disk import full_disk

TOYS = Path(__file__).parents[1] / "toys.py"
OUTPUTS = ("*.csv", "report.*", "search.*", "compare.md", "winners.toml", "figures/*.png", "samples/*.png")
OLD = b"old"


def age(folder):
    """Replace the content of all outputs, so that a write is seen; all files by name."""
    for pattern in OUTPUTS:
        for path in folder.glob(pattern):
            if path.name != "search.json":
                path.write_bytes(OLD)
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(result, before, folder):
    """One line, of a file that is as it was, as is every other that was not written again; the name of that file."""
    path = Path(re.search(r"cannot write (\S+): File too large; ", result.error)[1]).resolve()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after.keys() == before.keys()
    assert after[path] == before[path]
    assert [name for name in after if after[name] == OLD]
    return path.relative_to(folder).as_posix()


@pytest.mark.parametrize(
    ("free", "name"),
    [(100, r"\w+\.csv"), (20_000, r"figures/samples\.png"), (200_000, r"report\.html")],
    ids=["tables", "samples", "page"],
)
def test_report(gan_zoo, finished, no_figures, free, name):
    before = age(finished)
    with full_disk(free):
        result = gan_zoo("report", finished)
    assert re.fullmatch(name, assert_refused(result, before, finished))


@pytest.mark.parametrize("taken", ["figures", "runs.csv", "report.md"])
def test_a_report_whose_files_cannot_be_replaced(gan_zoo, finished, request, taken):
    """A folder in place of a file, or a file in place of a folder: nobody can write there, whatever the rights."""
    if taken != "figures":
        request.getfixturevalue("no_figures")
    path = finished / taken
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()
    else:
        path.unlink()
        path.mkdir()
    result = gan_zoo("report", finished)
    assert f"cannot write {path}" in result.error


def test_bench_that_has_nothing_left_to_train(gan_zoo, finished, nothing_here):
    words = ["bench", finished.parent / "toys.toml", "--preset", "smoke", "--plugin", TOYS, "--out", finished]
    before = age(finished)
    with full_disk(20_000):
        result = gan_zoo(*words, "--jobs", "1")
    assert re.fullmatch(r"figures/\w+\.png", assert_refused(result, before, finished))


@pytest.mark.parametrize(("free", "name"), [(100, "compare.csv"), (600, "compare.md")])
def test_compare(gan_zoo, finished, tmp_path, free, name):
    shutil.copytree(finished, tmp_path / "earlier")
    words = ("compare", tmp_path / "earlier", finished, "--out", tmp_path / "side")
    assert gan_zoo(*words).status == 0
    before = age(tmp_path / "side")
    with full_disk(free):
        result = gan_zoo(*words)
    assert assert_refused(result, before, tmp_path / "side") == name


@pytest.mark.slow
def test_search_that_has_nothing_left_to_train(gan_zoo, suite, toys, tmp_path, no_report):
    suite()
    words = ["search", "toys.toml", "--preset", "smoke", "--jobs", "1", "--out", "out", "--trials", "1"]
    words += ["--plugin", toys, "--variants", "sibling"]
    assert gan_zoo(*words).status == 0
    found = []
    for free in (100, 5_000, 20_000):
        before = age(tmp_path / "out")
        with full_disk(free):
            result = gan_zoo(*words)
        found.append(assert_refused(result, before, tmp_path / "out"))
    assert found == ["search.json", "figures/expected_best.png", "search.html"]


def test_new(gan_zoo, tmp_path):
    with full_disk(100):
        result = gan_zoo("new", "my_gan")
    assert "cannot write my_gan.py: File too large" in result.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["s.png", "s.jpg"])
def test_sample(gan_zoo, checkpoint, tmp_path, name):
    (tmp_path / name).write_bytes(OLD)
    with full_disk(100):
        result = gan_zoo("sample", checkpoint("cgan"), "--out", name)
    assert f"cannot write {name}: " in result.error
    assert (tmp_path / name).read_bytes() == OLD
    assert not list(tmp_path.glob(".*.part*"))


@pytest.fixture
def read_only(finished):
    """The finished folder, to which nobody can write."""
    if os.geteuid():
        folders = [finished, *(path for path in finished.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        yield finished
        for path in folders:
            path.chmod(0o755)
        return
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        if subprocess.run(["mount", *options, finished, finished], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", finished], capture_output=True, check=False)
            pytest.skip("a superuser writes everywhere, and may not mount here")
    yield finished
    subprocess.run(["umount", "-l", finished], check=True)


def words_of(folder, *more):
    suite = folder.parent / "toys.toml"
    return ["bench", suite, "--preset", "smoke", "--plugin", TOYS, "--out", folder, "--jobs", "1", *more]


@pytest.mark.parametrize("command", ["report", "bench"])
def test_a_finished_folder_that_is_read_only_shows_its_ranking(gan_zoo, read_only, command):
    result = gan_zoo(*(["report", read_only] if command == "report" else words_of(read_only)))
    assert (result.status, result.err) == (0, "")
    assert re.search(r"^note: .* is read-only", result.out, flags=re.MULTILINE)
    assert re.search(r"^ *1 +(by_heart|cgan)", result.out, flags=re.MULTILINE)
    assert f"report: {read_only / 'report.html'}" in result.out


def test_an_unfinished_folder_that_is_read_only(gan_zoo, read_only):
    assert f"cannot write {read_only}: " in gan_zoo(*words_of(read_only, "--seeds", "0,1,2")).error


def leave_temporary_files(folder):
    """The temporary files of a command that was killed."""
    for name in ("figures", "records", "checkpoints"):
        (folder / name / ".0123.part.png").write_bytes(b"half")


def test_report_deletes_what_a_killed_command_left_unless_another_is_writing(gan_zoo, finished, no_figures):
    leave_temporary_files(finished)
    (finished / "figures" / ".a.part").mkdir()
    with FileLock(finished / ".lock"):
        assert gan_zoo("report", finished).status == 0
    assert len(list(finished.rglob(".*.part*"))) == 4
    assert gan_zoo("report", finished).status == 0
    assert [path.name for path in finished.rglob(".*.part*")] == [".a.part"]


@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_nothing_behind_a_link_is_written(gan_zoo, finished, tmp_path, name):
    (finished / name).rename(tmp_path / "other")
    (finished / name).symlink_to(tmp_path / "other")
    before = age(tmp_path / "other")
    bench = ["bench", finished.parent / "toys.toml", "--preset", "smoke", "--plugin", TOYS, "--out", finished]
    for words in (["report", finished], bench):
        assert "lies outside" in gan_zoo(*words).error
    assert age(tmp_path / "other") == before


def test_report_deletes_nothing_in_a_folder_without_results(gan_zoo, tmp_path):
    (tmp_path / ".mine.part").touch()
    assert "is not a results folder" in gan_zoo("report", tmp_path).error
    assert [path.name for path in tmp_path.iterdir()] == [".mine.part"]


def test_train_deletes_what_a_killed_command_left(gan_zoo, no_report, tmp_path):
    words = [
        "train",
        "gan",
        "--data",
        "digits",
        "--set",
        "batch_size=8",
        "--steps",
        "2",
        "--no-evaluate",
        "--out",
        "out",
    ]
    assert gan_zoo(*words).status == 0
    (tmp_path / "out" / "checkpoints" / ".0123.part.safetensors").touch()
    assert gan_zoo(*words).status == 0
    assert not list((tmp_path / "out").rglob(".*.part*"))
