"""`folder:PATH` on the command line: training in color and in grey, small and mixed sets, errors of bad input."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_zoo.bench.tables import read_results
from gan_zoo.cli.console import BenchListener
from gan_zoo.engine import checkpoint
from gan_zoo.metrics import classifier_training


@pytest.fixture
def tree(tmp_path):
    """Two classes of 12 images of different sizes, one of them broken, and an empty folder beside them."""
    random = np.random.default_rng(0)
    for label in ("Kätzchen", "犬"):
        (tmp_path / "tree" / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (20 + number, 40 - number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "tree" / label / f"{number}.{'jpg' if number % 2 else 'png'}")
    (tmp_path / "tree" / "犬" / "kaputt.png").write_bytes(b"broken")
    (tmp_path / "empty").mkdir()
    return tmp_path / "tree"


MODES = ("RGB", "L", "P", "RGBA", "exif", "I;16")


@pytest.fixture
def mixed(tmp_path, monkeypatch, no_figures):
    """300 images in 3 classes of all modes, broken and other files, links and a loop; with a short extractor."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("cats", "dogs", "mice")):
        folder = tmp_path / "mixed" / name
        folder.mkdir(parents=True)
        for number in range(100):
            mode = MODES[number % len(MODES)]
            pixels = random.integers(60 * label, 60 * label + 60, (24, 32, 3), dtype=np.uint8)
            exif = Image.Exif()
            if mode == "exif":
                exif[0x0112] = 6  # rotated by a quarter
            elif mode == "I;16":
                pixels = pixels[:, :, 0].astype(np.uint16) * 16  # 12 bits
            image = Image.fromarray(pixels)
            image = image.convert(mode) if mode in ("L", "P", "RGBA") else image
            image.save(folder / f"{number}.png", exif=exif)
    (tmp_path / "mixed" / "cats" / "broken.jpg").write_bytes(b"broken")
    (tmp_path / "mixed" / "dogs" / "phone.heic").write_bytes(b"heic")
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (24, 24)).save(tmp_path / "elsewhere" / "one.png")
    (tmp_path / "mixed" / "mice" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "mixed" / "mice" / "loop").symlink_to(tmp_path / "mixed")
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    short = classifier_training.TrainingOptions(epochs=2, widths=(4, 8, 8), batch=30)
    monkeypatch.setattr(classifier_training, "options_for", lambda images, channels: short)
    # In this process: another one would train another extractor.
    monkeypatch.setattr("gan_zoo.cli.bench.replace", lambda options, **_changes: options)
    return tmp_path / "mixed"


def test_data_shows_what_is_in_a_mixed_folder_and_writes_a_contact_sheet(gan_zoo, mixed, tmp_path):
    result = gan_zoo("data", f"folder:{mixed}", "--test-share", 0.2, "--mirror", columns=200)
    assert result.status == 0, result.err
    for words in (
        "301 images of 24x24 to 32x24, color, 3 classes (cats 100, dogs 100, mice 101)",
        "482 to train on, mirror images included, 60 as the reference",
        "white is 4,095",
        "unreadable files: 1 (cats/broken.jpg)",
        "1 (dogs/phone.heic)",
        "1 (mice/loop)",
        "contact sheet: folder-mixed.png (99 images",
    ):
        assert words in result.out
    assert ["cats", "100", "160", "20"] in [line.split() for line in result.out.splitlines()]
    with Image.open(tmp_path / "folder-mixed.png") as sheet:
        assert sheet.size == (640, 640)
    assert gan_zoo("data", f"folder:{mixed}", "--sheet", "x.doc").status == 2


def test_a_small_folder_is_trained_and_measured_with_kid_first(gan_zoo, mixed, tmp_path):
    words = ["train", "cgan", "--data", f"folder:{mixed}", "--set", "batch_size=16", "--out", tmp_path / "out"]
    result = gan_zoo(*words, "--steps", 4, columns=200)
    assert result.status == 0, result.err
    told = next(line for line in result.out.splitlines() if line.startswith("301 images"))
    assert "271 to train on, 30 as the reference; measured with num_samples 30: KID, " in told
    assert "FID" not in told
    assert "FID is left out" in result.out
    assert "4 steps is about 4 steps of cgan" in result.out
    assert "samples: " in result.out
    names = [line.split()[0] for line in result.out.splitlines() if line.split()]
    assert names.index("KID") < names.index("Precision")
    results = read_results(tmp_path / "out")
    assert results.metric.name == "kid"
    final = results.metrics[results.metrics["fraction"] == 1]
    assert set(final["num_samples"]) == {30}
    assert {"kid", "recall", "memorization", "label_accuracy"} <= set(final["metric"])
    assert final[final["metric"] == "kid"].query("variant == 'cgan'")["selection"].notna().all()
    # Extended: only the new steps are trained.
    assert gan_zoo(*words, "--steps", 6).status == 0
    assert gan_zoo("sample", tmp_path / "out", "--class", 2, "--out", "mice.png").status == 0


def test_the_whole_set_is_the_reference_and_the_tables_say_so(gan_zoo, mixed, tmp_path):
    words = ["--data", f"folder:{mixed}", "--set", "batch_size=16", "--test-share", 0, "--mirror", "--steps", 2]
    result = gan_zoo("train", "gan", *words, "--out", tmp_path / "out", columns=200)
    assert result.status == 0, result.err
    assert "602 to train on, mirror images included, all the reference" in result.out
    assert "301 samples, reference: whole set" in result.out
    final = read_results(tmp_path / "out").metrics
    assert set(final["reference"]) == {"whole set"}
    assert "memorization" not in set(final["metric"])
    assert {"fid", "kid"} <= set(final["metric"])
    assert "reference: whole set" in (tmp_path / "out" / "report.md").read_text()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["suite"]["test_share"], manifest["suite"]["mirror"], manifest["ranked_by"]) == (0.0, True, "kid")
    assert checkpoint.load(next((tmp_path / "out" / "checkpoints").glob("gan-*.safetensors"))).facts[
        "data_options"
    ] == {"channels": None, "test_share": 0.0, "mirror": True}


def test_nothing_is_drawn_before_the_plan():
    """A bar over all runs that is drawn already would hide those of reading and of the extractor."""
    with BenchListener() as listener:
        assert not listener.bars.live.is_started


@pytest.mark.parametrize("channels", [1, 3])
def test_training_in_color_and_in_grey(gan_zoo, tree, tmp_path, channels):
    words = ("train", "cgan", "--data", f"folder:{tree}", "--channels", channels, "--steps", 2, "--set", "batch_size=8")
    result = gan_zoo(*words, "--out", tmp_path / "out")
    assert result.status == 0
    assert result.out.count("kaputt.png") == 1
    (saved,) = (tmp_path / "out" / "checkpoints").glob("cgan-*.safetensors")
    facts = checkpoint.load(saved).facts
    assert (facts["data"], facts["shape"], facts["classes"]) == ("folder-tree", [channels, 32, 32], 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gan", "--data", "folder:{0}/empty"], "it holds no images; put PNG or JPEG files into it"),
        (["gan", "--data", "folder:{0}/nowhere"], "does not exist; name a folder of images"),
        (["gan", "--data", "folder:{0}/tree/犬/0.png"], "is a file, not a folder; name a folder of images"),
        (["gan", "--data", "folder:{0}/tree"], "has 22 training samples, fewer than the batch of 512: lower it with"),
        (["gan", "--data", "folder:{0}/tree", "--channels", "2"], "2 image channels are impossible"),
        (["gan", "--data", "folder:{0}/tree", "--test-share", "1"], "test share 1.0 is impossible"),
        (["gan", "--data", "digits", "--test-share", "0.5"], "'digits' has a test split of its own; leave it out"),
        (["gan", "--data", "ring8", "--mirror"], "has points, which cannot be mirrored"),
        (["cgan", "--data", "folder:{0}/tree/犬", "--set", "batch_size=8"], "needs labels, and the data set has none"),
    ],
)
def test_bad_input_is_one_line(gan_zoo, tree, tmp_path, words, message):
    assert message in gan_zoo("train", *(word.format(tmp_path) for word in words), "--steps", 1).error


def test_folders_of_one_name_have_a_sheet_each(gan_zoo, tree, tmp_path):
    shutil.copytree(tree, tmp_path / "more" / "tree")
    result = gan_zoo("data", f"folder:{tree}", f"folder:{tmp_path}/more/tree", columns=200)
    assert result.status == 0, result.err
    assert [name in result.out for name in ("sheet: folder-tree.png", "sheet: folder-tree-2.png")] == [True, True]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["folder-tree-2.png", "folder-tree.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["folder:{0}", "--sheet", "a.csv"], "cannot write samples as 'a.csv'"),
        (["folder:{0}", "folder:{0}/犬", "--sheet", "a.png"], "one file for several folders"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_refused_first(gan_zoo, tree, tmp_path, words, message):
    result = gan_zoo("data", *(word.format(tree) for word in words))
    assert message in result.error
    assert result.out == ""
    assert not list(tmp_path.glob("a.*"))


def test_data_names_what_is_in_a_folder(gan_zoo, tree):
    result = gan_zoo("data", f"folder:{tree}", columns=200)
    assert result.status == 0
    assert "trained" in result.out
    assert result.out.count("kaputt.png") == 1
