"""`folder:PATH` on the command line: training in color and in grey, and the errors of bad input."""

import numpy as np
import pytest
from PIL import Image

from gan_zoo.engine import checkpoint


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
        (["cgan", "--data", "folder:{0}/tree/犬", "--set", "batch_size=8"], "needs labels, and the data set has none"),
    ],
)
def test_bad_input_is_one_line(gan_zoo, tree, tmp_path, words, message):
    assert message in gan_zoo("train", *(word.format(tmp_path) for word in words), "--steps", 1).error


def test_data_names_what_is_in_a_folder(gan_zoo, tree):
    result = gan_zoo("data", f"folder:{tree}", columns=200)
    assert result.status == 0
    assert "trained" in result.out
    assert result.out.count("kaputt.png") == 1
