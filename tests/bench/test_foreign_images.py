"""Images that were made elsewhere as a row of a suite: measured once, in all tables, marked, and never trained."""

import numpy as np
import pandas as pd
import pytest
import torch

import gan_zoo
from gan_zoo import data
from gan_zoo.errors import GanZooError
from gan_zoo.report import context
from gan_zoo.report.tables import ranking_as
from gan_zoo.text import NOTHING


@pytest.fixture
def array(tmp_path):
    """Test digits with noise, more than are measured."""
    real = data.load("digits").test.images[:150].float()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0)) * 20
    np.save(tmp_path / "diffusion.npy", (real + noise).clamp(0, 255).to(torch.uint8).numpy())
    return tmp_path / "diffusion.npy"


def added(path, name="diffusion"):
    return ('data = "digits"\n', f'data = "digits"\nimages = {{ {name} = "{path}" }}\n')


@pytest.mark.slow
def test_a_row_of_its_own_measured_once_and_marked(bench, array, tmp_path):
    results = bench("out", added(array)).results
    runs = results.runs[results.runs["variant"] == "diffusion"]
    assert runs["status"].tolist() == ["ok"]
    assert runs["seconds"].tolist() == [0.0]
    final = runs["final_fid_digits-cnn"].item()
    assert final == pytest.approx(gan_zoo.evaluate(array, "digits", num_samples=140).loc["diffusion", "fid"])
    kinds = {entry.variant: (entry.kind, entry.place) for entry in results.entries}
    assert kinds["diffusion"] == ("images", "")
    assert kinds["real"] == ("floor", "")
    assert {kind for kind, _ in (kinds["by_heart"], kinds["sibling"])} == {"ranked"}
    assert "diffusion" not in results.contrasts["variant"].tolist()
    assert results.successful["variant"].nunique() == 2

    plain = bench("plain").results
    columns = ["variant", "seed", "final_fid_digits-cnn"]
    same = results.runs.loc[results.runs["variant"] != "diffusion", columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, plain.runs[columns])
    assert results.alpha == plain.alpha

    markdown = ranking_as(results, "markdown")
    (line,) = [line for line in markdown.splitlines() if "diffusion" in line]
    assert "images, not trained here" in line
    assert line.endswith(f"| {NOTHING} | {NOTHING} | {NOTHING} |")
    before = (tmp_path / "out" / "records").glob("diffusion-*.jsonl")
    content = {path: path.read_bytes() for path in before}
    bench("out", added(array))
    assert {path: path.read_bytes() for path in content} == content
    page = context.write_report(tmp_path / "out").with_suffix(".md").read_text(encoding="utf-8")
    assert "images, not trained here" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda array: added(array, "gan"), "key 'images.gan': a variant has that name"),
        (lambda array: added(array, "real"), "key 'images.real'"),
        (lambda array: added(array.with_name("none")), "key 'images.diffusion': images .*none' do not exist"),
    ],
)
def test_what_does_not_fit_is_one_line_before_anything_is_trained(bench, array, tmp_path, change, words):
    with pytest.raises(GanZooError, match=words):
        bench("out", change(array))
    assert not (tmp_path / "out").exists()


def test_fewer_images_than_are_measured_are_refused(bench, array):
    np.save(array, np.load(array)[:100])
    with pytest.raises(GanZooError, match="has 100 images, and num_samples is 140; add images"):
        bench("out", added(array))
