import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2 as transforms

from gan_zoo import data
from gan_zoo.data import splits


def pil_resize(images: torch.Tensor, side: int) -> torch.Tensor:
    grey = [Image.fromarray(image[0].numpy()).resize((side, side), Image.Resampling.BILINEAR) for image in images]
    return torch.from_numpy(np.stack(grey)).unsqueeze(1)


def random_images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("native", "side"), [(28, 32), (28, 64), (8, 32), (32, 64)])
def test_enlarging_gives_the_pixels_of_pil(native: int, side: int) -> None:
    images = random_images(20, 1, native, native)
    assert torch.equal(data.resize(images, side), pil_resize(images, side))


@pytest.mark.parametrize(("native", "side"), [(64, 32), (32, 28)])
def test_shrinking_stays_within_one_level_of_pil(native: int, side: int) -> None:
    images = random_images(20, 1, native, native)
    assert (data.resize(images, side).int() - pil_resize(images, side).int()).abs().max() <= 1


@pytest.mark.parametrize("side", [32, 64])
def test_resize_of_real_mnist_gives_the_pixels_of_pil(side: int) -> None:
    native = data.load("mnist", side=28).test.images[:300]
    assert torch.equal(data.resize(native, side), pil_resize(native, side))


def test_resize_is_the_same_across_chunks_and_leaves_the_right_size_alone() -> None:
    images = random_images(5000, 1, 8, 8)
    assert torch.equal(data.resize(images, 16)[4090:4100], data.resize(images[4090:4100], 16))
    assert data.resize(images, 8) is images


def test_take_and_to_uint8_are_inverse_for_every_pixel_value() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    split = data.Split(images, torch.arange(256))
    samples, labels = split.take(torch.tensor([255, 0, 51]))
    assert samples.dtype == torch.float32
    torch.testing.assert_close(samples.flatten(), torch.tensor([1.0, -1.0, -0.6]))
    assert labels.tolist() == [255, 0, 51]
    assert torch.equal(data.to_uint8(split.take(torch.arange(256))[0]), images)


def test_to_uint8_rounds_and_clamps() -> None:
    samples = torch.tensor([-3.0, -1.0, 0.001, 0.0118, 1.0, 1.5], dtype=torch.float64)
    assert data.to_uint8(samples).tolist() == [0, 0, 128, 129, 255, 255]


def test_grey_repeated_to_color_comes_back_as_it_was() -> None:
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    color = data.match_channels(grey, 3)
    assert color.shape == (1, 3, 16, 16)
    assert torch.equal(data.match_channels(color, 1), grey)


def test_color_becomes_its_luma() -> None:
    color = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1)
    assert data.match_channels(color, 1).item() == round(0.2989 * 200 + 0.587 * 100 + 0.114 * 50)


def test_fingerprint_is_the_hash_of_types_shapes_and_bytes_of_both_splits() -> None:
    loaded = data.load("digits", side=8)
    digest = hashlib.sha256()
    for split in (loaded.train, loaded.test):
        digest.update(f"torch.uint8 ({len(split)}, 1, 8, 8)".encode() + split.images.numpy().tobytes())
        digest.update(f"torch.int64 ({len(split)},)".encode() + split.labels.numpy().tobytes())
    assert loaded.fingerprint == digest.hexdigest()
    assert loaded.fingerprint == data.load("digits", side=8).fingerprint
    assert loaded.fingerprint != data.load("digits", side=16).fingerprint


@pytest.mark.parametrize(("native", "side"), [(28, 32), (64, 32), (32, 28)])
def test_pixels_are_those_of_torchvision(native: int, side: int) -> None:
    color = random_images(20, 3, native, native)
    settings = {"interpolation": transforms.InterpolationMode.BILINEAR, "antialias": True}
    assert torch.equal(data.resize(color, side), transforms.functional.resize(color, [side, side], **settings))
    grey = transforms.functional.rgb_to_grayscale(color.float()).round().to(torch.uint8)
    assert torch.equal(data.match_channels(color, 1), grey)


@pytest.mark.parametrize(
    ("images", "free", "streamed"), [(49, 100, False), (50, 100, False), (51, 100, True), (1, 0, True)]
)
def test_images_are_streamed_where_they_take_more_than_half_of_the_free_memory(
    images: int, free: int, streamed: bool
) -> None:
    assert splits.is_streamed(images, free) is streamed


def test_a_streamed_split_gives_the_same_samples() -> None:
    plain = data.Split(random_images(50, 3, 8, 8), torch.arange(50))
    streamed = data.StreamedSplit(plain.images, plain.labels)
    index = torch.tensor([3, 0, 49, 3])
    for one, other in zip(streamed.take(index), plain.take(index), strict=True):
        assert torch.equal(one, other)
    assert (len(streamed), streamed.shape) == (50, (3, 8, 8))
    assert streamed.to("cpu") is streamed


@pytest.mark.cuda
@pytest.mark.parametrize(("free", "kind"), [(1000, data.StreamedSplit), (10**9, data.Split)])
def test_on_cuda_the_free_memory_decides(monkeypatch: pytest.MonkeyPatch, free: int, kind: type) -> None:
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
