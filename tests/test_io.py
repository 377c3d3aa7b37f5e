"""Where the cache is, and what a write leaves that does not come to its end."""

import csv
import errno
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pandas as pd
import pytest
import torch
from full_disk import full_disk as disk_of

from gan_zoo.errors import GanZooError, StorageError
from gan_zoo.io import (
    CACHE_ENV,
    atomic_path,
    atomic_write,
    cache_root,
    check_writable,
    full_disk,
    lock_folder,
    remove_temporary,
    write_csv,
    writing,
)
from gan_zoo.tensors import save_tensors

KILLED = """
import os, pathlib, signal, sys
from gan_zoo.io import atomic_write
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
setattr(*{"write": (pathlib.Path, "write_bytes"), "sync": (os, "fsync"), "replace": (pathlib.Path, "replace")}[
    sys.argv[2]], die)
atomic_write(pathlib.Path(sys.argv[1]), "new" * 10_000)
"""


def test_the_environment_names_the_cache_which_is_otherwise_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for value in ("~/mine", str(tmp_path / "mine")):
        monkeypatch.setenv(CACHE_ENV, value)
        assert cache_root() == Path(value).expanduser()
    for change in (lambda: monkeypatch.setenv(CACHE_ENV, ""), lambda: monkeypatch.delenv(CACHE_ENV)):
        change()
        assert cache_root().name == "gan-zoo"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with old content."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "table.csv").write_text("old")
    return tmp_path / "folder" / "table.csv"


def assert_old(path: Path) -> None:
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_content_is_written_as_it_is_into_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "text.md"
    atomic_write(path, "ü\nline\r\n")
    assert path.read_bytes() == b"\xc3\xbc\nline\r\n"
    atomic_write(path, b"\x00\n")
    assert path.read_bytes() == b"\x00\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_that_the_umask_asks_for(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "text", "x")
        save_tensors(tmp_path / "tensors", {"x": torch.zeros(1)}, {})
        (tmp_path / "other").touch()
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("text", "tensors", "other"), mode
    )


@pytest.mark.parametrize("write", [check_writable, lambda path: atomic_write(path, "new")], ids=["folder", "file"])
def test_a_path_that_is_no_utf8_is_refused(tmp_path: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(GanZooError, match="UTF-8"):
        write(tmp_path / "x\udcff")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="regular file"):
        atomic_write(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()


def test_halves_of_surrogate_pairs_are_written_as_escapes(tmp_path: Path) -> None:
    atomic_write(tmp_path / "text", "\udcff\n")
    assert (tmp_path / "text").read_bytes() == b"\\udcff\n"


@pytest.mark.parametrize(
    "value", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a\rb", "a\nb", "'", "NA", "007", "1e5", 'x,"y"']
)
def test_no_text_of_a_table_is_run_by_a_spreadsheet(tmp_path: Path, value: str) -> None:
    frame = pd.DataFrame({"text": ["first", value], value: ["", value], "number": [-0.5, 1.0], "count": [-1, None]})
    frame = frame.astype({"text": object, value: object, "count": "Int64"})
    write_csv(tmp_path / "x.csv", frame)
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        heads, first, second = csv.reader(file)
    assert first == ["first", "", "-0.5", "-1"]
    assert second[2:] == ["1.0", ""]
    for cell in (heads[1], *second[:2]):
        assert not cell.startswith(tuple("=+-@\t\r"))
        assert cell in (value, f"'{value}")


@pytest.mark.parametrize("instant", ["write", "sync", "replace"])
def test_a_kill_inside_a_write_leaves_the_old_file(path: Path, instant: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, path, instant], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace"), (Path, "write_bytes"), (Path, "chmod")])
def test_a_failure_at_any_step_is_a_storage_error_and_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(StorageError, match=rf"cannot write {path}: No space left") as raised:
        atomic_write(path, "new")
    assert "\n" not in str(raised.value)
    assert_old(path)


def test_a_full_disk_is_a_storage_error_and_leaves_the_old_file(path: Path) -> None:
    with disk_of(1000), pytest.raises(StorageError, match=str(path)):
        atomic_write(path, "new" * 1000)
    assert_old(path)
    with disk_of(1000):
        atomic_write(path, "new")
    assert path.read_text() == "new"


def test_another_exception_passes_and_leaves_the_old_file(path: Path) -> None:
    def write() -> None:
        with atomic_path(path) as part:
            assert (part.parent, part.suffix) == (path.parent, ".csv")
            part.write_text("half")
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        write()
    assert_old(path)


@pytest.mark.parametrize("write", [check_writable, lambda path: atomic_write(path, "new")], ids=["folder", "file"])
def test_below_a_file_nothing_can_be_written(path: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(StorageError, match=str(path / "below")):
        write(path / "below")
    assert_old(path)


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    with disk_of(0), pytest.raises(StorageError, match=str(tmp_path / "a")):
        check_writable(tmp_path / "a")


def test_a_storage_error_passes_through_processes_and_outer_blocks(path: Path) -> None:
    with pytest.raises(StorageError) as raised, writing(Path("outer")), writing(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert str(path) in str(raised.value)
    copied = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(copied, GanZooError)
    assert str(copied) == str(raised.value)


def test_a_full_disk_is_known_from_an_error_that_came_after_it() -> None:
    def download(first: OSError) -> None:
        try:
            raise first
        except OSError:
            raise RuntimeError("the other server does not answer")  # noqa: B904

    for first, found in ((OSError(errno.ENOSPC, "full"), True), (TimeoutError("silent"), False)):
        with pytest.raises(RuntimeError) as raised:
            download(first)
        assert full_disk(raised.value) is (first if found else None)


def test_what_a_kill_leaves_is_deleted_and_nothing_else(tmp_path):
    left = [".1f.part.png", ".1f.part", ".run.part.next", ".tmpYmfNM8"]
    kept = [".tmp", ".tmpfiles", "tmpYmfNM8", "mine.part", ".hidden"]
    for name in (*left, *kept):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / name).touch()
    (tmp_path / ".tmpfolder").mkdir()
    remove_temporary(tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == sorted(kept)
    assert (tmp_path / ".tmpfolder").is_dir()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_locked_folder_is_refused_and_torchrun_is_named_if_it_may_be_why(tmp_path, monkeypatch, processes):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(GanZooError, match="another command is writing") as error:
        lock_folder(tmp_path)
    assert ("2 processes of torchrun" in str(error.value)) == (processes == 2)
