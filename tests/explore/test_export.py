"""Exported records, run by an interpreter in numpy, against torch."""

import base64
import math

import numpy as np
import pytest
import torch
from torch import nn

from gan_zoo import registry
from gan_zoo.engine.state import build_networks
from gan_zoo.explore.export import NotSupported, directions, export

NAMES = ["cgan", "dcgan", "dcgan28", "dcgan_paper", "dcgan_keras", "infogan", "r3gan", "other"]


def correlated(values, kernels):
    """Maps (H, W, in) with kernels (ky, kx, out, in), at stride 1 and without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(values, kernels.shape[:2], axis=(0, 1))
    return np.einsum("hwcij,ijoc->hwo", windows, kernels, optimize=True)


class Interpreter:
    """Runs records on one latent; maps are (H, W, C)."""

    def __init__(self, exported):
        self.kernels = exported.kernels.astype(np.float64)
        self.vectors = exported.vectors.astype(np.float64)
        self.layers = exported.layers

    def __call__(self, latent, label=None):
        return self.run(self.layers, np.asarray(latent, np.float64), label)

    def run(self, layers, values, label=None):
        for layer in layers:
            values = getattr(self, layer["op"])(layer, values, label)
        return values

    def kernel(self, layer, *shape):
        start, count = layer["kernel"]
        return self.kernels[start : start + count].reshape(shape)

    def vector(self, reference):
        return 0.0 if reference is None else self.vectors[reference[0] : sum(reference)]

    def label_concat(self, layer, values, label):
        return np.append(values, self.kernel(layer, 10, -1)[label])

    def linear(self, layer, values, label):
        return self.kernel(layer, layer["outputs"], -1) @ values + self.vector(layer["bias"])

    def conv(self, layer, values, label):
        size, padding, groups = layer["size"], layer["padding"], layer["groups"]
        kernels = self.kernel(layer, size, size, groups, layer["outputs"] // groups, values.shape[2] // groups)
        values = np.pad(values, ((padding, padding), (padding, padding), (0, 0)))
        parts = [correlated(part, kernels[:, :, group]) for group, part in enumerate(np.split(values, groups, axis=2))]
        return np.concatenate(parts, axis=2)[:: layer["stride"], :: layer["stride"]] + self.vector(layer["bias"])

    def conv_transpose(self, layer, values, label):
        """A convolution with the mirrored kernel of the values with stride - 1 zeros between them."""
        size, stride, padding, extra = (layer[name] for name in ("size", "stride", "padding", "output_padding"))
        height, width, channels = values.shape
        spaced = np.zeros(((height - 1) * stride + 1, (width - 1) * stride + 1, channels))
        spaced[::stride, ::stride] = values
        edge = (size - 1, size - 1 + extra)
        full = correlated(
            np.pad(spaced, (edge, edge, (0, 0))), self.kernel(layer, size, size, -1, channels)[::-1, ::-1]
        )
        bottom, right = (length - padding for length in full.shape[:2])
        return full[padding:bottom, padding:right] + self.vector(layer["bias"])

    def affine(self, layer, values, label):
        return values * self.vector(layer["scale"]) + self.vector(layer["shift"])

    def standardize(self, layer, values, label):
        return (values - values.mean()) / math.sqrt(values.var() + layer["eps"])

    def leaky_relu(self, layer, values, label):
        return np.where(values > 0, values, layer["slope"] * values)

    def tanh(self, layer, values, label):
        return np.tanh(values)

    def sigmoid(self, layer, values, label):
        return 1 / (1 + np.exp(-values))

    def upsample(self, layer, values, label):
        return values.repeat(layer["factor"], axis=0).repeat(layer["factor"], axis=1)

    def unflatten(self, layer, values, label):
        return values.reshape(-1, layer["height"], layer["width"]).transpose(1, 2, 0)

    def flatten(self, layer, values, label):
        return values.transpose(2, 0, 1).ravel()

    def pad(self, layer, values, label):
        edges = [(layer["top"], layer["bottom"]), (layer["left"], layer["right"])]
        values = np.pad(values, [(max(0, a), max(0, b)) for a, b in edges] + [(0, 0)])
        (top, bottom), (left, right) = [(max(0, -a), max(0, -b)) for a, b in edges]
        return values[top : values.shape[0] - bottom, left : values.shape[1] - right]

    def residual(self, layer, values, label):
        return values + self.run(layer["layers"], values)


@pytest.mark.parametrize("name", NAMES)
def test_records_compute_what_torch_does(networks, rounded, name):
    trained = networks[name]
    interpreter = Interpreter(export(trained.sampler.generator))
    latents, *labels = trained.sampler.draw(2, seed=3)
    images = rounded(trained.sampler.generator)(latents, *labels)
    for place, image in enumerate(images):
        label = int(labels[0][place]) if labels else None
        found = interpreter(latents[place], label)
        np.testing.assert_allclose(found, image.permute(1, 2, 0), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_every_variant_is_supported(name):
    variant = registry.get(name)
    generator = build_networks(variant, (1, variant.image_side, variant.image_side), 10).generator
    exported = export(generator)
    assert len(exported.kernels) == sum(each.numel() for each in generator.parameters() if each.dim() > 1)


def test_content_is_little_endian(networks):
    exported = export(networks["cgan"].sampler.generator)
    content = exported.content()
    kernels = np.frombuffer(base64.b64decode(content["kernels"]), "<f2")
    vectors = np.frombuffer(base64.b64decode(content["vectors"]), "<f4")
    np.testing.assert_array_equal(kernels, exported.kernels)
    np.testing.assert_array_equal(vectors, exported.vectors)
    matrices = [each for each in networks["cgan"].sampler.generator.parameters() if each.dim() > 1]
    assert len(kernels) == sum(each.numel() for each in matrices)


class Doubled(nn.Linear):
    """A class of its own may compute anything."""

    def forward(self, values):
        return 2 * super().forward(values)


@pytest.mark.parametrize(
    "module",
    [
        Doubled(2, 2),
        nn.GELU(),
        nn.Conv2d(2, 2, 3, dilation=2),
        nn.Conv2d(2, 2, 3, padding_mode="reflect"),
        nn.Conv2d(2, 2, (3, 1)),
        nn.Conv2d(2, 2, 3, padding="same"),
        nn.ConvTranspose2d(2, 2, 3, groups=2),
        nn.BatchNorm1d(2, track_running_stats=False),
        nn.GroupNorm(2, 4),
        nn.LayerNorm([2, 3, 3]),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(size=8),
        nn.Unflatten(1, (2, 2)),
        nn.Flatten(2),
    ],
    ids=lambda module: str(module)[:40],
)
def test_what_the_page_cannot_compute_is_refused(module):
    with pytest.raises(NotSupported, match=type(module).__name__):
        export(nn.Sequential(nn.Linear(2, 2), module))


@pytest.mark.parametrize("value", [math.nan, math.inf, 70_000.0])
def test_weights_that_float16_cannot_hold_are_refused(value):
    linear = nn.Linear(2, 2)
    nn.init.constant_(linear.weight, value)
    with pytest.raises(NotSupported, match="float16"):
        export(linear)


def test_directions_are_those_of_a_linear_generator():
    """Of images x = A z the directions are the first singular vectors of A, scaled by the spread of the latent."""
    random = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(50, 6, generator=random, dtype=torch.float64), full_matrices=False)
    matrix = left @ torch.diag(torch.tensor([9.0, 5, 1, 1, 1, 0.5], dtype=torch.float64)) @ right
    spread = torch.tensor([1.0, 1, 2, 0.5, 1, 1], dtype=torch.float64)
    latents = torch.randn(20_000, 6, generator=random, dtype=torch.float64)
    found = directions(latents * spread, latents @ matrix.T, torch.zeros(6, dtype=torch.bool))
    cosines = torch.cosine_similarity(found / spread, right[:2]).abs()
    assert cosines.min() > 0.999
    torch.testing.assert_close((found / spread).norm(dim=1), torch.ones(2, dtype=torch.float64), atol=0.02, rtol=0)


def test_directions_leave_fixed_values():
    latents = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    samples = latents * torch.tensor([100.0, 1, 1, 1])
    found = directions(latents, samples, torch.tensor([True, False, False, False]))
    assert found[:, 0].abs().max() < 1e-4
    assert found[:, 1:].norm(dim=1).min() > 0.5


@pytest.mark.parametrize("size", [1, 3])
def test_a_latent_without_two_directions_has_finite_ones(size):
    """Of one value there is one direction; a value that is the same in all samples has no spread."""
    latents = torch.zeros(50, size)
    latents[:, 0] = torch.randn(50, generator=torch.Generator().manual_seed(0))
    found = directions(latents, latents[:, :1], torch.zeros(size, dtype=torch.bool))
    assert found.shape == (2, size)
    assert found.isfinite().all()
    assert found[0, 0].abs() > 0.5
    assert found[1].abs().max() < 1e-6
