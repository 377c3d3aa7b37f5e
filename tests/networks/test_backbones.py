"""Every backbone with every output, side, channel count and norm: it is built, trained, or refused in one line."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.losses import DiscriminatorOutput
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks import BACKBONES, backbone
from gan_zoo.networks.resnet import Block
from gan_zoo.registry import get
from gan_zoo.validation import random_data
from gan_zoo.variant import NORMS, Spec

SMALL = {
    "mlp": {"generator": (8, 6), "discriminator": (6, 8)},
    "dcgan": {"width": 2},
    "dcgan28": {"generator": (6, 4, 2), "discriminator": (2, 4, 6)},
    "dcgan_conv": {"width": 2},
    "dcgan_paper": {"generator": 2, "discriminator": 2},
    "dcgan_keras": {"width": 2},
    "resnet": {"width": 2},
    "points": {"width": 8},
}
OUTPUTS = {"score": "nsgan", "projection": "projection_gan", "heads": "infogan", "autoencoder": "ebgan"}
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
LAYER_NORMS = (nn.LayerNorm, nn.GroupNorm)


def test_every_backbone_is_tried():
    assert set(SMALL) == set(BACKBONES)


def _variant(name, output="score", **changes):
    """The variant of an output on a small backbone, of any norm that the changes give."""
    given = {"batch_size": 4, "norm": None} | changes
    variant = get(OUTPUTS[output], backbone={"name": name, **SMALL[name]})
    return replace(variant, discriminator_steps=1, **given)


def _kinds(network, kinds):
    return [m for m in network.modules() if isinstance(m, kinds)]


def _conv(stages):
    widths = {"generator": (8, 6, 4, 4)[:stages], "discriminator": (4, 4, 6, 8)[:stages]}
    return {"name": "dcgan28", **widths}


MLP, STEM = ({"name": name, **SMALL[name]} for name in ("mlp", "dcgan"))
SHAPES = [
    *((MLP, (channels, side, side)) for channels in (1, 3) for side in (28, 32, 64)),
    *((STEM, (channels, side, side)) for channels in (1, 3) for side in (32, 64)),
    *((_conv(3), (channels, side, side)) for channels in (1, 3) for side in (28, 30, 32)),
    *((_conv(4), (channels, side, side)) for channels in (1, 3) for side in (60, 62, 64)),
    (MLP, (2,)),
]


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(("family", "shape"), SHAPES)
def test_samples_in_range_and_one_score_each(family, shape, classes):
    """Labels, where there are any, change the samples and the scores."""
    torch.manual_seed(0)
    spec = Spec(shape=shape, latent=5, generator_classes=classes, discriminator_classes=classes)
    generator, discriminator = (network.eval() for network in backbone(family)(spec))
    labels = (torch.arange(3),) if classes else ()
    samples = generator(torch.randn(1, 5).expand(3, -1), *labels)
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1
    scores = discriminator(samples[:1].expand_as(samples), *labels)
    assert scores.shape == (3,)
    if classes:
        assert len({str(row.tolist()) for row in samples}) == len(set(scores.tolist())) == 3


@pytest.mark.parametrize(("family", "side"), [(MLP, 8), (STEM, 16), (_conv(3), 28)])
def test_a_pack_has_one_unbounded_score(family, side):
    """It is a logit: nothing like a sigmoid follows the last layer."""
    generator, discriminator = backbone(family)(Spec(shape=(3, side, side), latent=5, packing=2))
    assert generator(torch.randn(4, 5)).shape == (4, 3, side, side)
    nn.init.constant_(_kinds(discriminator, (nn.Linear, nn.Conv2d))[-1].bias, 50.0)
    scores = discriminator(torch.zeros(2, 6, side, side))
    assert scores.shape == (2,)
    assert scores.min() > 10


@pytest.mark.parametrize("family", [STEM, _conv(3)])
def test_batch_norm_is_where_the_paper_has_it(family):
    """After every layer but the generator's last, the discriminator's first, and its one score."""
    kinds = {nn.Linear: " L", nn.Conv2d: " L", nn.ConvTranspose2d: " L", nn.BatchNorm1d: "N", nn.BatchNorm2d: "N"}
    networks = backbone(family)(Spec(shape=(1, 32, 32), latent=5))
    for network, expected in zip(networks, ("LN LN LN L", "L LN LN L"), strict=True):
        assert "".join(kinds.get(type(m), "") for m in network.modules()).strip() == expected


def test_one_pass_at_the_generators_momentum_is_two_at_torch_s():
    """The articles' loops pass each latent batch through the generator twice: running statistics are the same."""
    generator, _ = backbone(STEM)(Spec(shape=(1, 16, 16), latent=5))
    norms = _kinds(generator, BATCH_NORMS)
    twice = nn.BatchNorm2d(norms[1].num_features)
    values = torch.randn(4, norms[1].num_features, 3, 3)
    norms[1](values)
    twice(values)
    twice(values)
    assert torch.allclose(norms[1].running_mean, twice.running_mean, rtol=1e-6)
    assert torch.allclose(norms[1].running_var, twice.running_var, rtol=1e-6)
    assert {norm.momentum for norm in norms} == {norms[1].momentum}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_takes_every_output(name, output, channels):
    """Scores, further outputs and shapes; and an iteration moves both networks and records finite values."""
    variant = _variant(name, output)
    state = init(variant, random_data(32, channels, n=8), seed=0)
    generator, discriminator = state.networks
    labels = (torch.tensor([1, 0, 9]),) if variant.conditioning != "none" else ()
    samples = generator(variant.latent.draw(3, random=torch.Generator().manual_seed(0)), *labels)
    assert samples.shape == (3, channels, 32, 32)
    found = discriminator(samples, *labels)
    score, extra = found if isinstance(found, DiscriminatorOutput) else DiscriminatorOutput(found)
    assert score.shape == (3,)
    sizes = {"heads": {"category": 10, "style": 2}, "autoencoder": {"code": 64}}.get(output, {})
    assert {key: value.shape for key, value in extra.items()} == {key: (3, size) for key, size in sizes.items()}
    before = [[p.detach().clone() for p in network.parameters()] for network in state.networks]
    values = flush(advance(state, 1))
    assert all(torch.tensor(value).isfinite() for value in values.values())
    for old, network in zip(before, state.networks, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))


@pytest.mark.parametrize("norm", [*NORMS, "spectral"])
@pytest.mark.parametrize("output", ["score", "autoencoder"])
@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_takes_every_norm(name, output, norm):
    """The discriminator has that norm and no other; an iteration goes through."""
    state = init(_variant(name, output, norm=norm), random_data(32, n=8), seed=0)
    discriminator = state.networks.discriminator
    assert bool(_kinds(discriminator, BATCH_NORMS)) is (norm == "batch")
    assert bool(_kinds(discriminator, LAYER_NORMS)) is (norm == "layer")
    layers = _kinds(discriminator, (nn.Linear, nn.modules.conv._ConvNd))
    assert [hasattr(layer, "parametrizations") for layer in layers] == [norm == "spectral"] * len(layers)
    assert all(torch.tensor(value).isfinite() for value in flush(advance(state, 1)).values())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", SMALL)
def test_the_generator_takes_every_norm_apart_from_the_discriminator(name, norm):
    generator, discriminator = _variant(name, norm="none", generator_norm=norm).build((1, 32, 32), 0)
    assert bool(_kinds(generator, BATCH_NORMS)) is (norm == "batch")
    assert bool(_kinds(generator, LAYER_NORMS)) is (norm == "layer")
    assert not _kinds(discriminator, (*BATCH_NORMS, *LAYER_NORMS))


OWN = {"mlp": "none", "dcgan": "batch", "dcgan28": "batch", "dcgan_conv": "batch", "dcgan_paper": "batch"}


@pytest.mark.parametrize("name", SMALL)
def test_by_default_a_family_has_its_own_norm(name):
    discriminator = _variant(name).build((1, 32, 32), 0).discriminator
    assert bool(_kinds(discriminator, BATCH_NORMS)) is (OWN.get(name) == "batch")
    assert not _kinds(discriminator, LAYER_NORMS)


def test_layer_norm_is_that_of_one_sample():
    """Mean 0 and variance 1 over all of a sample's maps, whatever the rest of the batch."""
    discriminator = _variant("dcgan", norm="layer").build((1, 32, 32), 0).discriminator
    (norm, *_) = _kinds(discriminator, LAYER_NORMS)
    maps = torch.randn(3, norm.num_channels, 5, 5) * 4 + 7
    normalized = norm(maps)
    assert normalized.mean((1, 2, 3)).abs().max() < 1e-5
    assert (normalized.var((1, 2, 3), unbiased=False) - 1).abs().max() < 1e-4
    assert torch.allclose(norm(maps[:1]), normalized[:1], atol=1e-6)


def _largest(layer):
    return torch.linalg.svdvals(layer.weight.detach().flatten(1).double())[0].item()


@pytest.mark.parametrize("name", ["mlp", "dcgan", "dcgan_keras", "resnet"])
def test_spectral_norm_gives_layers_of_norm_one(name):
    """By the singular values themselves, after the power iterations of some forwards; embeddings included."""
    torch.manual_seed(0)
    variant = _variant(name, "projection", norm="spectral", initialization="normal 0.02")
    discriminator = variant.build((1, 32, 32), 10).discriminator
    for _ in range(60):
        discriminator(torch.rand(4, 1, 32, 32), torch.arange(4))
    layers = _kinds(discriminator, (nn.Linear, nn.Conv2d, nn.Embedding))
    assert len(layers) >= 4
    assert [_largest(layer) for layer in layers] == pytest.approx([1.0] * len(layers), abs=0.02)


def test_spectral_norm_keeps_the_weights_below_it_as_they_were_drawn():
    discriminator = get("sngan", width=16).build((1, 32, 32), 0).discriminator
    for layer in _kinds(discriminator, (nn.Linear, nn.Conv2d)):
        weight = layer.parametrizations.weight.original
        assert weight.std().item() == pytest.approx(0.02, rel=5 / (2 * weight.numel()) ** 0.5)


def test_spectral_norm_leaves_the_generator_alone():
    generator = get("sngan", width=2).build((1, 32, 32), 0).generator
    assert not any(hasattr(module, "parametrizations") for module in generator.modules())


def test_spectral_norm_moves_with_the_steps_of_the_engine():
    """Every forward in training is a power iteration, so the scores' slope stays bounded while weights grow."""
    state = advance(init(get("sngan", width=2, batch_size=4), random_data(32, n=24), seed=0), 6)
    discriminator = state.networks.discriminator
    assert all(_largest(layer) < 1.2 for layer in _kinds(discriminator, (nn.Linear, nn.Conv2d)))


def test_projection_adds_the_inner_product_with_the_label():
    discriminator = _variant("mlp", "projection").build((1, 4, 4), 5).discriminator
    samples, labels = torch.randn(3, 1, 4, 4), torch.tensor([4, 0, 4])
    features = discriminator.body(samples.flatten(1))
    expected = [
        discriminator.score.weight[0] @ f + discriminator.score.bias[0] + discriminator.projection.weight[k] @ f
        for f, k in zip(features, labels.tolist(), strict=True)
    ]
    assert torch.allclose(discriminator(samples, labels), torch.stack(expected), atol=1e-6)


def test_heads_are_linear_in_the_features():
    discriminator = _variant("dcgan28", "heads").build((1, 28, 28), 0).discriminator.eval()
    samples = torch.randn(3, 1, 28, 28)
    features = discriminator.body(samples).flatten(1)
    head = discriminator.heads["style"]
    assert torch.allclose(discriminator(samples).extra["style"], features @ head.weight.T + head.bias, atol=1e-6)


def test_residual_blocks_begin_as_the_identity():
    for network in get("r3gan", width=4).build((1, 32, 32), 0):
        blocks = _kinds(network, Block)
        assert len(blocks) == 7
        for block in blocks:
            maps = torch.randn(2, block.layers[0].in_channels, 4, 4)
            assert torch.equal(block(maps), maps)


@pytest.mark.parametrize(
    ("build", "key_words"),
    [
        (lambda: backbone("dcgn"), "unknown backbone 'dcgn'; did you mean 'dcgan'"),
        (lambda: backbone({"width": 3}), "unknown backbone ''"),
        (lambda: backbone({"name": "dcgan", "widht": 3}), "setting of backbone 'dcgan': 'widht'; did you mean 'width'"),
        (lambda: get("gan", backbone="dcgan", image_side=28).build((1, 28, 28), 0), "28x28.*multiple of 8"),
        (lambda: get("gan", backbone="dcgan_paper").build((1, 28, 28), 0), "28x28: use a side of 8, 16, 32"),
        (lambda: get("gan", backbone="resnet").build((3, 4, 4), 0), "4x4: use a side of 8, 16, 32"),
        (lambda: get("gan", backbone="resnet").build((3, 48, 48), 0), "48x48: use a side of 8, 16, 32"),
        (lambda: get("gan", backbone="dcgan_keras").build((3, 30, 30), 0), "30x30: use a side that is a multiple of 4"),
        (lambda: get("gan", backbone="dcgan_conv").build((3, 33, 33), 0), "cannot draw 33x33"),
        (lambda: get("gan", backbone="dcgan_conv").build((2,), 0), "square images"),
        (lambda: get("gan", backbone="dcgan").build((1, 32, 64), 0), "square images"),
        (lambda: get("gan", backbone=_conv(3)).build((1, 28, 32), 0), "square images"),
        (lambda: get("gan", backbone=_conv(3)).build((1, 64, 64), 0), "3 widths cannot draw 64x64.*28, 30, 32"),
        (lambda: get("gan", backbone=_conv(3)).build((1, 29, 29), 0), "cannot draw 29x29"),
        (lambda: get("gan", backbone=_conv(4)).build((1, 32, 32), 0), "4 widths cannot draw 32x32.*60, 62, 64"),
        (lambda: get("gan", backbone={"name": "dcgan_paper", "head": "flta"}).build((1, 32, 32), 0), "mean 'flat'"),
        (lambda: get("gan", backbone={"name": "dcgan", "norm": "bacth"}), "did you mean 'batch'"),
        (lambda: replace(get("ebgan"), heads=("noise",)).build((1, 32, 32), 0), "takes no heads and no projection"),
        (lambda: replace(get("ebgan"), conditioning="projection").build((1, 32, 32), 10), "no heads and no projection"),
        (lambda: get("infogan", latent="62 normal").build((1, 32, 32), 0), "no part 'category', only noise"),
        (lambda: get("acgan").build((1, 32, 32), 0), "'acgan' needs labels"),
        (lambda: get("wgan_gp", backbone={"name": "dcgan", "norm": "batch"}).build((1, 32, 32), 0), "batch norm in a"),
        (lambda: replace(get("dragan"), norm=None).build((1, 32, 32), 0), "batch norm in a discriminator under a DRAG"),
    ],
)
def test_what_cannot_be_built_is_one_clear_line(build, key_words):
    with pytest.raises(GanZooError, match=key_words) as error:
        build()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_without_batch_norm_takes_a_gradient_penalty(name):
    variant = _variant(name, norm="layer", penalties=(gradient_penalty(),))
    assert flush(advance(init(variant, random_data(32, n=8), seed=0), 1))["gradient_length"] > 0


def test_a_family_can_be_named_without_sizes():
    assert get("gan", backbone="points").networks is BACKBONES["points"]
    variant = get("gan", backbone={"name": "mlp", "generator": [5], "discriminator": [3]})
    assert isinstance(variant.networks, partial)
    generator, discriminator = variant.networks(Spec(shape=(2,), latent=100))
    assert (generator.layers[0].out_features, discriminator.body[0].out_features) == (5, 3)
