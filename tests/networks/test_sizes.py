"""Sizes of the systems' networks, counted by hand; their layers' shapes, weights and paddings."""

import math

import pytest
import torch
from torch import nn

from gan_zoo.registry import get

# Linear a->b: a*b + b; batch norm n: 2n; (transposed) convolution a->b, kernel k: a*b*k*k (+ b with bias).
PARAMETERS = {
    # G 100-128-256-512-1024-1024 with batch norm on the four hidden layers:
    # 12,928+256 + 33,024+512 + 131,584+1,024 + 525,312+2,048 + 1,049,600
    # D 1024-1024-512-256-1: 1,049,600 + 524,800 + 131,328 + 257
    ("gan", 1, 32): (1_756_288, 1_705_985),
    # G: 10 more inputs to 128 units (1,280) and an embedding of 10x10 (100); D: 10 more to 1024 (10,240), and 100
    ("cgan", 1, 32): (1_756_288 + 1_280 + 100, 1_705_985 + 10_240 + 100),
    # G: 100->8192 827,392 + BN 16,384; 512->256 k4 2,097,408 + 512; 256->128 524,416 + 256; 128->1 2,049
    # D: 1->128 k3 1,280; 128->256 295,168 + 512; 256->512 1,180,160 + 1,024; 8192->1 8,193
    ("dcgan", 1, 32): (843_776 + 2_097_920 + 524_672 + 2_049, 1_280 + 295_680 + 1_181_184 + 8_193),
    # G, no bias, k4: 100->128 204,800 + 256; 128->64 131,072 + 128; 64->32 32,768 + 64; 32->1 512
    # D, k4: 1->16 272; 16->32 8,224 + 64; 32->64 32,832 + 128; 64->1 1,025
    ("dcgan28", 1, 28): (205_056 + 131_200 + 32_832 + 512, 272 + 8_288 + 32_960 + 1_025),
    # S6, no bias, k4. G 100->512 819,200 + 1,024; ->256 2,097,152 + 512; ->128 524,288 + 256; ->64 131,072 + 128; ->C
    # D C->64; ->128 131,072 + 256; ->256 524,288 + 512; ->512 2,097,152 + 1,024; ->1 8,192
    ("dcgan64", 3, 64): (3_573_632 + 3_072, 3_072 + 2_762_496),
    ("dcgan64", 1, 64): (3_573_632 + 1_024, 1_024 + 2_762_496),
    # S7 at 64, k5. G 100->16384 1,654,784 + 32,768; 1024->512 13,107,712 + 1,024; ->256 3,277,056 + 512;
    # ->128 819,328 + 256; ->C 3,200 C + C
    # D C->128 3,200 C + 128; ->256 819,456 + 512; ->512 3,277,312 + 1,024; ->1024 13,108,224 + 2,048; 16384->1 16,385
    ("dcgan_paper", 3, 64): (18_893_440 + 9_603, 9_728 + 17_224_961),
    ("dcgan_paper", 1, 64): (18_893_440 + 3_201, 3_328 + 17_224_961),
    # At 32: G 100->8192 827,392 + 16,384, then from 512->256 on; D up to 512, then 8192->1 8,193
    ("dcgan_paper", 1, 32): (843_776 + 3_277_568 + 819_584 + 3_201, 3_328 + 819_968 + 3_278_336 + 8_193),
    # S8, k3. G 100->12544 1,266,944 + 25,088; 256->128 295,040 + 256; ->64 73,792 + 128; ->32 18,464 + 64; ->1 289
    # D 1->64 640; ->128 73,856; ->256 295,168; ->512 1,180,160; 8192->1 8,193
    ("dcgan_keras", 1, 28): (1_292_032 + 295_296 + 73_920 + 18_528 + 289, 640 + 73_856 + 295_168 + 1_180_160 + 8_193),
    # A block of w maps: w->2w k1 2w^2 + 2w; 2w->2w k3 in groups of 16 288w + 2w; 2w->w k1 2w^2: 4w^2 + 292w, so
    # 256: 336,896; 128: 102,912; 64: 35,072; 32: 13,440.
    # G 100->4096 413,696; 2 blocks 256, ->128 32,896; 2 blocks 128, ->64 8,256; 2 blocks 64, ->32 2,080; block 32; 289
    # D 1->32 k3 320; 2 blocks 32, ->64 2,112; 2 blocks 64, ->128 8,320; 2 blocks 128, ->256 33,024; block 256; 4,097
    ("r3gan", 1, 32): (
        413_696 + 673_792 + 32_896 + 205_824 + 8_256 + 70_144 + 2_080 + 13_440 + 289,
        320 + 26_880 + 2_112 + 70_144 + 8_320 + 205_824 + 33_024 + 336_896 + 4_097,
    ),
}


def _networks(name, channels=1, side=None, **options):
    variant = get(name, **({"image_side": side} if side else {}), **options)
    return variant.build((channels, variant.image_side, variant.image_side), 10)


@pytest.mark.parametrize(("name", "channels", "side"), PARAMETERS)
def test_parameters(name, channels, side):
    networks = _networks(name, channels, side)
    counted = tuple(sum(p.numel() for p in network.parameters()) for network in networks)
    assert counted == PARAMETERS[name, channels, side]


def _maps(network, x):
    """(channels, side) after every convolution."""
    shapes = []
    hooks = [
        m.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:3])))
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    network.eval()(x)
    for hook in hooks:
        hook.remove()
    return shapes


# Keras's transposed convolutions are one row and column larger before they are cropped.
MAPS = {
    ("dcgan28", 1, 28): ([(128, 4), (64, 8), (32, 16), (1, 28)], [(16, 16), (32, 8), (64, 4), (1, 1)]),
    ("dcgan64", 3, 64): (
        [(512, 4), (256, 8), (128, 16), (64, 32), (3, 64)],
        [(64, 32), (128, 16), (256, 8), (512, 4), (1, 1)],
    ),
    ("dcgan_paper", 1, 32): ([(256, 8), (128, 16), (1, 32)], [(128, 16), (256, 8), (512, 4)]),
    ("dcgan_paper", 3, 64): (
        [(512, 8), (256, 16), (128, 32), (3, 64)],
        [(128, 32), (256, 16), (512, 8), (1024, 4)],
    ),
    ("dcgan_keras", 1, 28): ([(128, 15), (64, 29), (32, 28), (1, 28)], [(64, 14), (128, 7), (256, 4), (512, 4)]),
}


@pytest.mark.parametrize(("name", "channels", "side"), MAPS)
def test_maps(name, channels, side):
    generator, discriminator = _networks(name, channels, side)
    images = torch.zeros(1, channels, side, side)
    latent = torch.zeros(1, 100)
    assert (_maps(generator, latent), _maps(discriminator, images)) == MAPS[name, channels, side]
    assert generator(latent).shape == images.shape


def _of(network, *kinds):
    return [m for m in network.modules() if isinstance(m, kinds)]


def _layers(networks):
    return [m for network in networks for m in _of(network, nn.Linear, nn.Conv2d, nn.ConvTranspose2d)]


@pytest.mark.parametrize("name", ["dcgan64", "dcgan_paper"])
def test_weights_are_drawn_with_a_deviation_of_a_fiftieth(name):
    networks = _networks(name, **({"width": 16} if name == "dcgan64" else {}))
    for layer in _layers(networks):
        number = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(0.02, rel=5 / (2 * number) ** 0.5)
        assert abs(layer.weight.mean().item()) < 5 * 0.02 / number**0.5
        assert (layer.bias is None) is (name == "dcgan64")
    norms = [m for network in networks for m in _of(network, nn.BatchNorm1d, nn.BatchNorm2d)]
    assert all((norm.bias == 0).all() for norm in norms)
    gains = torch.cat([norm.weight.detach() for norm in norms])
    if name == "dcgan64":
        assert gains.std().item() == pytest.approx(0.02, rel=5 / (2 * len(gains)) ** 0.5)
        assert gains.mean().item() == pytest.approx(1, abs=5 * 0.02 / len(gains) ** 0.5)
    else:
        assert (gains == 1).all()


def test_glorot_uniform_weights_and_no_biases():
    """Uniform within sqrt(6 / (in + out)), where a convolution's in and out are its maps times its kernel's places."""
    networks = _networks("dcgan_keras")
    for layer in _layers(networks):
        a, b, *kernel = layer.weight.shape
        bound = math.sqrt(6 / ((a + b) * math.prod(kernel)))
        assert layer.weight.abs().max() <= bound
        assert layer.weight.abs().max() > bound * 0.97
        deviation = bound / 3**0.5
        assert layer.weight.std().item() == pytest.approx(deviation, rel=4 / (2 * layer.weight.numel()) ** 0.5)
        assert (layer.bias == 0).all()


def _keras_same(side, stride, kernel=3):
    """TensorFlow's rule: maps, and padding above and below."""
    out = math.ceil(side / stride)
    total = max((out - 1) * stride + kernel - side, 0)
    return out, total // 2, total - total // 2


@pytest.mark.parametrize(("index", "side", "stride"), [(0, 28, 2), (1, 14, 2), (2, 7, 2), (3, 4, 1)])
def test_convolutions_pad_as_keras_does(index, side, stride):
    """Place by place: y[i] sums w[k] x[stride i + k - above]; at an even side and stride 2 nothing is padded above."""
    _, discriminator = _networks("dcgan_keras", width=1, dropout=0.0)
    pads = [at for at, m in enumerate(discriminator.body) if isinstance(m, nn.ZeroPad2d)]
    pad, convolution = discriminator.body[pads[index]], discriminator.body[pads[index] + 1]
    out, above, below = _keras_same(side, stride)
    assert (above, below) == {28: (0, 1), 14: (0, 1), 7: (1, 1), 4: (1, 1)}[side]
    weight = convolution.weight.detach()
    for row, column in ((0, 0), (side - 1, side - 1), (side // 2, 1)):
        impulse = torch.zeros(1, weight.shape[1], side, side)
        impulse[0, 0, row, column] = 1
        expected = torch.zeros(weight.shape[0], out, out)
        for i in range(out):
            for j in range(out):
                k, m = row + above - stride * i, column + above - stride * j
                if 0 <= k < 3 and 0 <= m < 3:
                    expected[:, i, j] = weight[:, 0, k, m]
        assert torch.allclose(convolution(pad(impulse))[0], expected, atol=1e-7)


@pytest.mark.parametrize(("index", "side", "stride"), [(0, 7, 2), (1, 14, 2), (2, 28, 1), (3, 28, 1)])
def test_transposed_convolutions_crop_as_keras_does(index, side, stride):
    """They are the gradient of a "same" convolution: x[i] goes to y[stride i + k - above] with w[k]."""
    generator, _ = _networks("dcgan_keras", width=1)
    at = [at for at, m in enumerate(generator.layers) if isinstance(m, nn.ConvTranspose2d)][index]
    layer, crop = generator.layers[at], generator.layers[at + 1]
    out, above, _ = _keras_same(stride * side, stride)
    assert out == side
    for row, column in ((0, 0), (side - 1, side - 1), (3, 1)):
        impulse = torch.zeros(1, layer.in_channels, side, side)
        impulse[0, 0, row, column] = 1
        expected = torch.zeros(layer.out_channels, stride * side, stride * side)
        for k in range(3):
            for m in range(3):
                i, j = stride * row + k - above, stride * column + m - above
                if 0 <= i < stride * side and 0 <= j < stride * side:
                    expected[:, i, j] = layer.weight[0, :, k, m].detach()
        maps = layer(impulse)
        assert torch.allclose((crop(maps) if stride == 2 else maps)[0], expected, atol=1e-7)
