"""The command that writes a page of generators."""

import pytest


def test_explore_writes_a_page_of_a_folder(gan_zoo, finished, toys, tmp_path):
    """The first seed of each variant; a generator with a layer of its own is named in a note."""
    result = gan_zoo("explore", finished, "--plugin", toys, "--device", "cpu", columns=300)
    assert result.status == 0, result.err
    assert "by_heart" in result.out.splitlines()[0]
    assert "1 generator " in result.out
    assert '"name": "cgan"' in (tmp_path / "explore.html").read_text(encoding="utf-8")


def test_explore_takes_several_checkpoints(gan_zoo, finished, toys, tmp_path):
    files = sorted((finished / "checkpoints").glob("cgan-seed?-????????.safetensors"))
    assert len(files) == 2
    result = gan_zoo("explore", *files, "--plugin", toys, "--out", "deep/page.html", "--device", "cpu")
    assert result.status == 0, result.err
    html = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert all(f'"name": "cgan, seed {seed}"' in html for seed in (0, 1))


def test_explore_takes_the_seed_of_a_folder(gan_zoo, finished, toys, tmp_path):
    words = ["explore", finished, "--plugin", toys, "--variants", "cgan", "--seed", 1, "--device", "cpu"]
    assert gan_zoo(*words).status == 0
    assert '"seed": 1' in (tmp_path / "explore.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("nowhere",), ["'nowhere' does not exist"]),
        ((".",), ["'.' is not a results folder"]),
        ((".", "--out", "page.png"), ["--out 'page.png'", ".html"]),
        (("finished/out", "--variants", "cgna"), ["unknown variant", "'cgna'"]),
        (("finished/out", "--seed", 7), ["no checkpoint"]),
        (("finished/out", "--variants", "by_heart"), ["no generator can run in a page", "by_heart"]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_what_cannot_be_explored_is_one_line(gan_zoo, finished, toys, tmp_path, words, parts):
    error = gan_zoo("explore", *words, "--plugin", toys, "--device", "cpu").error
    assert all(part in error for part in parts), error
    assert not list(tmp_path.glob("*.html"))
