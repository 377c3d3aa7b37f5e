"""Objects of a folder and of a file system of fsspec."""

import pytest

from gan_zoo.bench.executors.storage import Storage, StorageUnavailable
from gan_zoo.errors import GanZooError


@pytest.fixture(params=["folder", "fsspec"])
def storage(request, tmp_path):
    if request.param == "folder":
        return Storage(str(tmp_path / "storage"))
    pytest.importorskip("fsspec")
    return Storage(f"memory://{tmp_path.name}/")


def test_objects_are_stored_whole_replaced_and_deleted(storage, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "new" / "copy"
    assert storage.read("part/a") is None
    assert not storage.fetch("part/a", copy)
    storage.write(b"first", "part/a")
    source.write_bytes(b"second")
    storage.put(source, "part/a")
    assert storage.read("part/a") == b"second"
    assert storage.fetch("part/a", copy)
    assert copy.read_bytes() == b"second"
    storage.remove("part/a")
    storage.remove("part/a")
    assert storage.read("part/a") is None


def test_what_a_library_raises_is_one_kind_of_error(storage, tmp_path, monkeypatch):
    if storage.fs is None:
        (tmp_path / "storage" / "a").mkdir(parents=True)
    else:
        monkeypatch.setattr(storage.fs, "cat_file", lambda _path: 1 / 0)
    with pytest.raises(StorageUnavailable, match="storage"):
        storage.read("a")


def test_a_bucket_that_does_not_exist_is_no_missing_object(storage, tmp_path, monkeypatch):
    def fail(*_):
        raise FileNotFoundError("no such bucket")

    if storage.fs is None:
        pytest.skip("a folder is created")
    monkeypatch.setattr(storage.fs, "pipe_file", fail)
    with pytest.raises(StorageUnavailable, match="no such bucket"):
        storage.write(b"", "a")


def test_an_unknown_protocol_is_bad_input():
    pytest.importorskip("fsspec")
    with pytest.raises(GanZooError, match="nowhere"):
        Storage("nowhere://bucket")
