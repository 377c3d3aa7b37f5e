"""The DCGAN paper's rules: each switch changes what it says and nothing else."""

import pytest
import torch
from torch import nn

from gan_zoo.errors import GanZooError
from gan_zoo.registry import get

PLAIN_G = ["Linear 64", "Norm 64", "ReLU", "Unflatten", "Up 2", "Norm 2", "ReLU", "Up 1", "Tanh"]
PLAIN_D = ["Down 2", "Leaky", "Down 4", "Norm 4", "Leaky", "Flatten"]


def _text(module):
    match module:
        case nn.Linear():
            return f"Linear {module.out_features}"
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return f"Norm {module.num_features}"
        case nn.ConvTranspose2d():
            return f"Up {module.out_channels}" if module.kernel_size == (5, 5) and module.stride == (2, 2) else "?"
        case nn.Conv2d():
            return f"{'Down' if module.stride == (2, 2) else 'Conv'} {module.out_channels}"
        case nn.LeakyReLU():
            return "Leaky" if module.negative_slope == 0.2 else "?"
    return type(module).__name__


def _texts(**options):
    """The layers of both networks for 16x16 images, two maps next to the image."""
    options = {"generator_width": 2, "discriminator_width": 2, "image_side": 16} | options
    generator, discriminator = get("dcgan_paper", **options).build((1, 16, 16), 0)
    assert generator(torch.zeros(2, 100)).shape == (2, 1, 16, 16)
    assert discriminator(torch.zeros(2, 1, 16, 16)).shape == (2,)
    return [_text(m) for m in generator.layers], [_text(m) for m in discriminator.body], discriminator.score


def test_the_paper_s_own():
    generator, discriminator, score = _texts()
    assert (generator, discriminator) == (PLAIN_G, PLAIN_D)
    assert (score.in_features, score.out_features) == (64, 1)


def _without(texts, start):
    return [text for text in texts if not text.startswith(start)]


SWITCHES = {
    "relu": ({"activation": "relu"}, PLAIN_G, ["ReLU" if text == "Leaky" else text for text in PLAIN_D]),
    "no norm": ({"batch_norm": "none"}, _without(PLAIN_G, "Norm"), _without(PLAIN_D, "Norm")),
    "norm everywhere": ({"batch_norm": "everywhere"}, [*PLAIN_G[:-1], "Norm 1", "Tanh"], ["Norm 1", *PLAIN_D]),
    "dense": ({"head": "dense"}, PLAIN_G, [*PLAIN_D, "Linear 256", "Leaky"]),
    "pooling": (
        {"resampling": "pooling"},
        [*PLAIN_G[:4], "Upsample", "Conv 2", "Norm 2", "ReLU", "Upsample", "Conv 1", "Tanh"],
        ["Conv 2", "MaxPool2d", "Leaky", "Conv 4", "MaxPool2d", "Norm 4", "Leaky", "Flatten"],
    ),
    "a wide discriminator": (
        {"discriminator_width": 3},
        PLAIN_G,
        ["Down 3", "Leaky", "Down 6", "Norm 6", "Leaky", "Flatten"],
    ),
    "a wide generator": (
        {"generator_width": 3},
        ["Linear 96", "Norm 96", "ReLU", "Unflatten", "Up 3", "Norm 3", "ReLU", "Up 1", "Tanh"],
        PLAIN_D,
    ),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_changes_what_it_says(switch):
    options, generator, discriminator = SWITCHES[switch]
    assert _texts(**options)[:2] == (generator, discriminator)


@pytest.mark.parametrize(("initialization", "drawn"), [("normal 0.02", True), ("default", False)])
def test_default_weights_are_a_switch_too(initialization, drawn):
    networks = get("dcgan_paper", initialization=initialization).build((1, 32, 32), 0)
    (weight,) = (m.weight for m in networks.discriminator.modules() if isinstance(m, nn.Linear))
    # torch's own: uniform within 1 / sqrt(8192), of deviation 1 / sqrt(3 x 8192) = 0.0064
    assert weight.std().item() == pytest.approx(0.02 if drawn else 0.0064, rel=0.05)


@pytest.mark.parametrize(
    ("options", "nearest"),
    [
        ({"resampling": "poolin"}, "pooling"),
        ({"activation": "rleu"}, "relu"),
        ({"head": "dnse"}, "dense"),
        ({"batch_norm": "innner"}, "inner"),
    ],
)
def test_an_unknown_value_of_a_switch_is_one_clear_line(options, nearest):
    with pytest.raises(GanZooError, match=f"unknown {next(iter(options))}.*did you mean '{nearest}'") as error:
        get("dcgan_paper", **options).build((1, 32, 32), 0)
    assert "\n" not in str(error.value)
