"""The content of the page: what is in it, what is left out and why."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.explore import page
from gan_zoo.explore.page import names, write_page


def content(path):
    """The generators in a page."""
    html = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="content">(.*?)</script>', html, re.DOTALL)[1])


def broken(trained, layer):
    """A copy whose generator ends with another layer."""
    generator = nn.Sequential(trained.sampler.generator, layer)
    return replace(trained, sampler=replace(trained.sampler, generator=generator))


def test_names_are_different(networks):
    gan, other = networks["cgan"], networks["dcgan"]
    assert names([gan, other]) == ["cgan", "dcgan"]
    assert names([gan, replace(gan, seed=1), other]) == ["cgan, seed 0", "cgan, seed 1", "dcgan"]
    assert names([gan, gan]) == ["cgan, seed 0 (1)", "cgan, seed 0 (2)"]


def test_page_holds_the_generators(recorded, tmp_path):
    path, left_out = write_page(recorded, tmp_path / "page.html")
    assert left_out == []
    cgan, dcgan28 = content(path)
    assert cgan["class_names"] == [f"digit {label}" for label in range(10)]
    assert dcgan28["class_names"] == []
    assert dcgan28["parts"] == [{"name": "noise", "size": 100, "distribution": "normal", "low": 0.0, "high": 1.0}]
    assert [frame["images"] for frame in cgan["frames"] + dcgan28["frames"]] == [100, 400, 200, 400]
    sheet = Image.open(io.BytesIO(base64.b64decode(cgan["frames"][0]["source"].partition(",")[2])))
    np.testing.assert_array_equal(sheet.convert("L"), Image.open(recorded[0].folder / "cgan-100.png"))
    assert path.stat().st_size < 6e6, "the limit for cgan"


def test_conditional_generators_of_other_classes_need_a_page_of_their_own(networks, tmp_path):
    good = networks["cgan"]
    other = replace(good, name="ten", sampler=replace(good.sampler, classes=9))
    path, left_out = write_page([good, other, networks["dcgan"]], tmp_path / "page.html")
    assert [each["name"] for each in content(path)] == ["cgan", "dcgan"]
    assert left_out[0].startswith("ten is left out")


def test_what_cannot_run_is_named_and_left_out(networks, tmp_path):
    good = networks["dcgan"]
    points = replace(good, name="points", shape=(2,))
    path, left_out = write_page([broken(good, nn.GELU()), good, points], tmp_path / "page.html")
    assert [each["name"] for each in content(path)] == ["dcgan, seed 0 (2)"]
    assert [line.split(" is ")[0] for line in left_out] == ["dcgan, seed 0 (1)", "points"]
    assert "GELU" in left_out[0]
    assert left_out[0] in path.read_text(encoding="utf-8")


def test_a_large_generator_is_left_out(networks, tmp_path, monkeypatch):
    small, large = networks["dcgan"], networks["cgan"]
    monkeypatch.setattr(page, "LARGEST", 1_000_000)
    path, left_out = write_page([small, large], tmp_path / "page.html")
    assert [each["name"] for each in content(path)] == ["dcgan"]
    assert re.search(r"cgan .*4\.\d MB.*1 MB.*width", left_out[0])


def test_no_generator_is_an_error(networks, tmp_path):
    path = tmp_path / "page.html"
    with pytest.raises(GanZooError, match="GELU"):
        write_page([broken(networks["dcgan"], nn.GELU())], path)
    assert not path.exists()


def test_names_from_elsewhere_are_text(networks, tmp_path):
    name = "</script><b>\x1b[31m"
    path, _ = write_page([replace(networks["dcgan"], name=name)], tmp_path / "page.html")
    html = path.read_text(encoding="utf-8")
    assert "<b>" not in html
    assert "\x1b" not in html
    assert content(path)[0]["name"] == name


def test_a_missing_sheet_is_left_out(recorded, tmp_path):
    rows = [dict(recorded[0].record.samples[0], file="gone.png"), recorded[0].record.samples[1]]
    trained = replace(recorded[0], record=replace(recorded[0].record, samples=rows))
    path, _ = write_page([trained], tmp_path / "page.html")
    assert [frame["images"] for frame in content(path)[0]["frames"]] == [400]


def test_directions_change_the_images_more_than_random_ones(networks, tmp_path):
    path, _ = write_page([networks["dcgan"]], tmp_path / "page.html")
    found = torch.tensor(content(path)[0]["directions"])
    random = (
        torch.linalg.qr(torch.randn(100, 2, generator=torch.Generator().manual_seed(0)))[0].T
        * found.norm(dim=1)[:, None]
    )
    generator = networks["dcgan"].sampler.generator
    latents, *_ = networks["dcgan"].sampler.draw(100, seed=5)

    def change(direction):
        return (generator(latents + 2 * direction) - generator(latents - 2 * direction)).norm().item()

    assert min(map(change, found)) > max(map(change, random))
