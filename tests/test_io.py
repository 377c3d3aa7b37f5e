"""Where the cache is."""

from pathlib import Path

from gan_zoo.io import CACHE_ENV, cache_root


def test_the_environment_names_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    monkeypatch.setenv(CACHE_ENV, "~/mine")
    assert cache_root() == Path("~/mine").expanduser()


def test_without_it_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_ENV, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root().name == "gan-zoo"
    monkeypatch.setenv(CACHE_ENV, "")
    assert cache_root().name == "gan-zoo"
