import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2 as transforms

from gan_zoo import data
from gan_zoo.errors import GanZooError


def random_images(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("native", "side", "levels"), [(28, 32, 0), (28, 64, 0), (8, 32, 0), (32, 64, 0), (64, 32, 1), (32, 28, 1)]
)
def test_enlarged_pixels_are_those_of_pil_and_shrunk_ones_within_one_level(native, side, levels):
    images = random_images(20, 1, native, native)
    grey = [Image.fromarray(image[0].numpy()).resize((side, side), Image.Resampling.BILINEAR) for image in images]
    expected = torch.from_numpy(np.stack(grey)).unsqueeze(1)
    assert (data.resize(images, side).int() - expected.int()).abs().max() <= levels


def test_resize_is_the_same_across_chunks_and_leaves_the_right_size_alone():
    images = random_images(5000, 1, 8, 8)
    assert torch.equal(data.resize(images, 16)[4090:4100], data.resize(images[4090:4100], 16))
    assert data.resize(images, 8) is images


@pytest.mark.parametrize(("native", "side"), [(28, 32), (64, 32), (32, 28)])
def test_pixels_are_those_of_torchvision(native, side):
    color = random_images(20, 3, native, native)
    settings = {"interpolation": transforms.InterpolationMode.BILINEAR, "antialias": True}
    assert torch.equal(data.resize(color, side), transforms.functional.resize(color, [side, side], **settings))
    grey = transforms.functional.rgb_to_grayscale(color.float()).round().to(torch.uint8)
    assert torch.equal(data.match_channels(color, 1), grey)


def test_take_and_to_uint8_are_inverse_for_every_pixel_value():
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    split = data.Split(images, torch.arange(256))
    samples, labels = split.take(torch.tensor([255, 0, 51]))
    assert samples.dtype == torch.float32
    torch.testing.assert_close(samples.flatten(), torch.tensor([1.0, -1.0, -0.6]))
    assert labels.tolist() == [255, 0, 51]
    assert torch.equal(data.to_uint8(split.take(torch.arange(256))[0]), images)


def test_to_uint8_rounds_and_clamps():
    samples = torch.tensor([-3.0, -1.0, 0.001, 0.0118, 1.0, 1.5], dtype=torch.float64)
    assert data.to_uint8(samples).tolist() == [0, 0, 128, 129, 255, 255]


def test_grey_repeated_to_color_comes_back_as_it_was():
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    color = data.match_channels(grey, 3)
    assert color.shape == (1, 3, 16, 16)
    assert torch.equal(data.match_channels(color, 1), grey)


def test_fingerprint_is_the_hash_of_types_shapes_and_bytes_of_both_splits():
    loaded = data.load("digits", side=8)
    digest = hashlib.sha256()
    for split in (loaded.train, loaded.test):
        digest.update(f"torch.uint8 ({len(split)}, 1, 8, 8)".encode() + split.images.numpy().tobytes())
        digest.update(f"torch.int64 ({len(split)},)".encode() + split.labels.numpy().tobytes())
    assert loaded.fingerprint == digest.hexdigest()
    assert loaded.fingerprint != data.load("digits", side=16).fingerprint


def test_a_streamed_split_has_the_same_samples():
    plain = data.Split(random_images(50, 3, 8, 8), torch.arange(50))
    streamed = data.StreamedSplit(plain.images, plain.labels)
    index = torch.tensor([3, 0, 49, 3])
    for one, other in zip(streamed.take(index), plain.take(index), strict=True):
        assert torch.equal(one, other)
    assert (len(streamed), streamed.shape) == (50, (3, 8, 8))
    assert streamed.to("cpu") is streamed


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("free", "kind"), [(0, data.StreamedSplit), (191_998, data.StreamedSplit), (192_000, data.Split)]
)
def test_on_cuda_images_are_streamed_that_take_more_than_half_of_the_free_memory(monkeypatch, free, kind):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free, 10**9))
    plain = data.Split(random_images(500, 3, 8, 8), torch.arange(500))
    moved = plain.to("cuda")
    assert type(moved) is kind
    assert moved.labels.device.type == "cuda"
    assert moved.images.is_pinned() == (kind is data.StreamedSplit)
    for seed in range(50):
        index = torch.randint(500, (64,), generator=torch.Generator().manual_seed(seed))
        samples, labels = moved.take(index.cuda())
        assert samples.device.type == "cuda"
        assert torch.equal(samples, data.Split(plain.images.cuda(), plain.labels.cuda()).take(index.cuda())[0])
        assert torch.equal(labels.cpu(), index)
    back = moved.to("cpu")
    assert type(back) is data.Split
    assert torch.equal(back.images, plain.images)


def test_images_that_do_not_fit_into_memory_are_one_line(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10**9))
    images = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    assert data.resize(images, 16).shape == (100, 1, 16, 16)
    with pytest.raises(GanZooError, match=r"100 images at side 4096 need 3\.4 GB.*1\.0 GB.*image_side"):
        data.resize(images, 4096)
