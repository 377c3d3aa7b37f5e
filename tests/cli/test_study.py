import json

import pytest
from PIL import Image

from gan_zoo import api, get


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "gan"
    api.train("gan", "digits", steps=2, out=out, evaluate=False)
    return out


@pytest.fixture(scope="module")
def file(folder):
    return next((folder / "checkpoints").glob("*.safetensors"))


def test_a_study_of_a_folder_is_printed_and_becomes_part_of_the_report(gan_zoo, folder):
    found = gan_zoo("study", "walk", folder, "--set", "pairs=4", columns=80)
    assert found.status == 0, found.err
    assert "gan" in found.out
    assert all(len(line) <= 80 for line in found.out.splitlines() if not line.startswith(("wrote", "report")))
    assert (folder / "studies" / "walk.json").is_file()
    assert (folder / "studies" / "walk.md").is_file()
    assert '<section id="studies">' in (folder / "report.html").read_text()


def test_a_study_of_a_checkpoint_is_written_below_runs(gan_zoo, file, tmp_path):
    found = gan_zoo("study", "walk", file, "--set", "pairs=4")
    assert found.status == 0, found.err
    assert (tmp_path / "runs" / "studies" / file.stem / "walk.json").is_file()
    assert "report:" not in found.out


def test_json_has_the_summary(gan_zoo, file, tmp_path):
    found = gan_zoo("study", "walk", file, "--set", "pairs=4", "--json", "--out", tmp_path / "out")
    (study,) = json.loads(found.out)
    assert study["settings"]["pairs"] == 4
    assert {row["variant"] for row in study["summary"]} == {"gan"}


def test_all_leaves_out_what_does_not_apply(gan_zoo, folder, monkeypatch):
    monkeypatch.setattr("gan_zoo.cli.study.STUDIES", ["optimum", "memorization"])
    found = gan_zoo("study", "all", folder, "--seeds", "0")
    assert found.status == 0, found.err
    assert "optimum is left out" in found.out
    assert (folder / "studies" / "memorization.json").is_file()
    assert not (folder / "studies" / "optimum.json").exists()


def test_a_run_without_an_extractor_has_the_studies_that_need_none(gan_zoo, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_zoo.cli.study.STUDIES", ["walk", "filters", "memorization"])
    for place in range(24):
        path = tmp_path / "bare" / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 10 * place).save(path)
    data = f"folder:{tmp_path / 'bare'}"
    run = api.train(get("gan", batch_size=8), data, steps=1, test_share=0.5)
    run.save(tmp_path / "gan.safetensors")
    found = gan_zoo("study", "all", tmp_path / "gan.safetensors", "--out", tmp_path / "out")
    assert found.status == 0, found.err
    assert "walk is left out" in found.out
    assert (tmp_path / "out" / "filters.json").is_file()
    assert (tmp_path / "out" / "memorization.json").is_file()
    assert "no extractor" in gan_zoo("study", "walk", tmp_path / "gan.safetensors").error


@pytest.mark.parametrize(
    ("words", "key_word"),
    [
        (("wlak", "FOLDER"), "wlak"),
        (("walk", "nowhere"), "nowhere"),
        (("all", "FOLDER", "--set", "pairs=4"), "--set"),
        (("walk", "FOLDER", "--set", "piars=4"), "piars"),
        (("walk", "FOLDER", "--set", "pairs=0"), "pairs"),
        (("walk", "FOLDER", "--variants", "dcgan"), "dcgan"),
        (("walk", "FOLDER", "--seeds", "x"), "--seeds"),
        (("walk", "FOLDER", "--seeds", "7"), "checkpoint"),
        (("optimum", "FOLDER"), "points"),
        (("walk", "NOTE"), "note"),
    ],
)
def test_bad_input_is_one_line(gan_zoo, folder, tmp_path, words, key_word):
    (tmp_path / "note").write_text("text")
    places = {"FOLDER": folder, "NOTE": tmp_path / "note"}
    assert key_word in gan_zoo("study", *(places.get(word, word) for word in words)).error
