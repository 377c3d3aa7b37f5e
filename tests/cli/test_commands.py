"""The commands that train and draw: train, sample, new, check, bench."""

import pandas as pd
import pytest
from PIL import Image


@pytest.mark.parametrize(("n", "size"), [(1, (32, 32)), (7, (160, 64)), (20, (160, 128)), (21, (320, 96))])
def test_sample_sizes(gan_zoo, toys, checkpoint, tmp_path, n, size):
    result = gan_zoo("sample", checkpoint("by_heart"), "--plugin", toys, "--num-samples", n)
    assert result.status == 0, result.err
    assert Image.open(tmp_path / "samples.png").size == size


def test_samples_follow_the_seed(gan_zoo, checkpoint, tmp_path):
    pictures = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert gan_zoo("sample", checkpoint("cgan"), "--seed", seed, "--out", f"{name}.png").status == 0
        pictures[name] = (tmp_path / f"{name}.png").read_bytes()
    assert pictures["a"] == pictures["b"] != pictures["c"]


@pytest.mark.slow
def test_a_new_variant_goes_all_the_way(gan_zoo, suite, tmp_path, no_report):
    result = gan_zoo("new", "my_gan")
    assert result.status == 0
    assert "gan-zoo check my_gan --plugin my_gan.py" in result.out
    assert "--preset smoke --variants my_gan,gan --plugin my_gan.py" in result.out
    result = gan_zoo("check", "my_gan", "--plugin", "my_gan.py")
    assert result.status == 0, result.err
    assert (
        len([line for line in result.out.splitlines() if line.startswith("    ok  ")])
        == len(result.out.splitlines())
        >= 6
    )
    words = ["--preset", "smoke", "--variants", "my_gan,gan", "--plugin", "my_gan.py", "--out", "out", "--jobs", "1"]
    result = gan_zoo("bench", suite(), *words)
    assert result.status == 2, "the suite's own variants are not there without their plugin"
    result = gan_zoo("bench", suite(('["by_heart", "sibling"]', '["gan", "cgan"]')), *words)
    assert result.status == 0, result.err
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert sorted(set(runs["variant"])) == ["gan", "my_gan", "real"]


def test_a_new_variant_is_never_written_over_another(gan_zoo, tmp_path):
    gan_zoo("new", "my_gan")
    (tmp_path / "my_gan.py").write_text("mine", encoding="utf-8")
    assert "exists already" in gan_zoo("new", "my_gan").error
    assert (tmp_path / "my_gan.py").read_text(encoding="utf-8") == "mine"


def test_check_lists_what_is_broken(gan_zoo, tmp_path):
    gan_zoo("new", "my_gan")
    path = tmp_path / "my_gan.py"
    path.write_text(path.read_text(encoding="utf-8").replace("nn.Tanh()", "nn.Softplus()"), encoding="utf-8")
    result = gan_zoo("check", "my_gan", "--plugin", path)
    assert "'my_gan'" in result.error
    assert "outside [-1, 1]" in result.error
    assert "FAILED  shapes" in result.out
    assert "    ok  repeats" in result.out
