"""Network families: shapes for every side and channel count, labels, packs, and what they refuse."""

from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.networks.dcgan import all_convolutional, linear_stem
from gan_zoo.networks.mlp import mlp
from gan_zoo.variant import Spec

SMALL_MLP = partial(mlp, generator=(8, 6), discriminator=(6, 8))
SMALL_STEM = partial(linear_stem, width=4)


def _conv(stages):
    return partial(all_convolutional, generator=(8, 6, 4, 4)[:stages], discriminator=(4, 4, 6, 8)[:stages])


FAMILIES = [
    *((SMALL_MLP, (channels, side, side)) for channels in (1, 3) for side in (28, 32, 64)),
    *((SMALL_STEM, (channels, side, side)) for channels in (1, 3) for side in (32, 64)),
    *((_conv(3), (channels, side, side)) for channels in (1, 3) for side in (28, 30, 32)),
    *((_conv(4), (channels, side, side)) for channels in (1, 3) for side in (60, 62, 64)),
    (SMALL_MLP, (2,)),
]


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize(("family", "shape"), FAMILIES)
def test_samples_in_range_and_one_score_each(family, shape, classes):
    torch.manual_seed(0)
    spec = Spec(shape=shape, latent=5, generator_classes=classes, discriminator_classes=classes)
    generator, discriminator = family(spec)
    given = (torch.arange(3),) if classes else ()
    samples = generator(torch.randn(3, 5), *given)
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1
    assert discriminator(samples, *given).shape == (3,)


@pytest.mark.parametrize(("family", "side"), [(SMALL_MLP, 8), (SMALL_STEM, 16), (_conv(3), 28)])
def test_a_pack_has_one_score(family, side):
    spec = Spec(shape=(3, side, side), latent=5, packing=2)
    generator, discriminator = family(spec)
    assert generator(torch.randn(4, 5)).shape == (4, 3, side, side)
    assert discriminator(torch.randn(2, 6, side, side)).shape == (2,)


@pytest.mark.parametrize(("family", "side"), [(SMALL_MLP, 8), (SMALL_STEM, 16), (_conv(3), 28)])
def test_labels_change_what_both_networks_say(family, side):
    torch.manual_seed(0)
    networks = family(Spec(shape=(1, side, side), latent=5, generator_classes=3, discriminator_classes=3))
    latent, images = torch.randn(1, 5).expand(3, -1), torch.rand(1, 1, side, side).expand(3, -1, -1, -1)
    for network, given in zip(networks, (latent, images), strict=True):
        said = (
            network.eval()(given, torch.arange(3)).flatten(1)
            if given is latent
            else network.eval()(given, torch.arange(3))
        )
        assert not torch.equal(said[0], said[1])
        assert not torch.equal(said[1], said[2])


@pytest.mark.parametrize(("family", "side"), [(SMALL_MLP, 8), (SMALL_STEM, 16), (_conv(3), 28)])
def test_a_score_is_not_bounded(family, side):
    """It is a logit: nothing like a sigmoid stands at the end."""
    torch.manual_seed(0)
    _, discriminator = family(Spec(shape=(1, side, side), latent=5))
    last = [m for m in discriminator.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    nn.init.constant_(last.bias, 50.0)
    assert discriminator(torch.zeros(2, 1, side, side)).min() > 10


@pytest.mark.parametrize(
    ("family", "shape", "said"),
    [
        (SMALL_STEM, (1, 28, 28), "linear stem cannot draw 28x28.*multiple of 8"),
        (SMALL_STEM, (1, 32, 64), "square images"),
        (SMALL_STEM, (2,), "square images"),
        (_conv(3), (1, 64, 64), "3 widths cannot draw 64x64, only sides 28, 30, 32"),
        (_conv(4), (1, 32, 32), "4 widths cannot draw 32x32, only sides 60, 62, 64"),
        (_conv(3), (1, 29, 29), "cannot draw 29x29"),
        (_conv(3), (1, 28, 32), "square images"),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_one_clear_line(family, shape, said):
    with pytest.raises(GanZooError, match=said) as error:
        family(Spec(shape=shape, latent=5))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", [SMALL_STEM, _conv(3)])
def test_batch_norm_where_the_paper_has_it(family):
    """After every layer but the generator's last, the discriminator's first, and its one score."""
    for network, expected in zip(family(Spec(shape=(1, 32, 32), latent=5)), ("LN LN LN L", "L LN LN L"), strict=True):
        kinds = {nn.Linear: " L", nn.Conv2d: " L", nn.ConvTranspose2d: " L", nn.BatchNorm1d: "N", nn.BatchNorm2d: "N"}
        assert "".join(kinds.get(type(m), "") for m in network.modules()).strip() == expected


def test_one_pass_at_the_generators_momentum_is_two_at_torch_s():
    """The articles' loops pass each latent batch through the generator twice: the running statistics must not know."""
    generator, _ = SMALL_STEM(Spec(shape=(1, 16, 16), latent=5))
    norms = [m for m in generator.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    twice = nn.BatchNorm2d(norms[1].num_features)
    values = torch.randn(4, norms[1].num_features, 3, 3)
    norms[1](values)
    twice(values)
    twice(values)
    assert torch.allclose(norms[1].running_mean, twice.running_mean, rtol=1e-6)
    assert torch.allclose(norms[1].running_var, twice.running_var, rtol=1e-6)
    assert {norm.momentum for norm in norms} == {norms[1].momentum}
