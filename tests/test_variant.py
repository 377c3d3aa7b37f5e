"""What a variant refuses, what it builds, and how it is described."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import nn

from gan_zoo.engine import advance, flush, init
from gan_zoo.errors import GanZooError
from gan_zoo.latent import normal, uniform
from gan_zoo.losses import cross_entropy, least_squares
from gan_zoo.losses.penalties import gradient_penalty
from gan_zoo.networks.dcgan import all_convolutional, linear_stem
from gan_zoo.networks.mlp import mlp
from gan_zoo.optimizer import Optimizer
from gan_zoo.registry import describe, get, names
from gan_zoo.validation import random_data
from gan_zoo.variant import Variant


def _small(**changes):
    return replace(get("gan"), networks=partial(mlp, generator=(8,), discriminator=(8,)), batch_size=8, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditioning": "bth"}, "did you mean 'both'"),
        ({"sampling": "epochs"}, "did you mean 'epoch'"),
        ({"initialization": "normal 0.2"}, r"did you mean 'normal 0\.02'"),
        ({"discriminator_steps": 0}, "discriminator_steps is 0"),
        ({"batch_size": 1}, "batch_size is 1; it must be an integer of at least 2"),
        ({"batch_size": 12.5}, r"batch_size is 12\.5"),
        ({"batch_size": True}, "batch_size is True"),
        ({"batch_size": 4, "packing": 3}, "batch_size is 4; it must be an integer of at least 6"),
        ({"generator_batch_size": 0}, "generator_batch_size is 0"),
        ({"ema": 1.0}, r"ema is 1\.0"),
        ({"packing": 2, "conditioning": "both"}, "a pack has no one label"),
        ({"concat_real_fake": "no"}, "concat_real_fake is 'no'"),
        ({"objective": "hinge"}, "objective is 'hinge'"),
        ({"penalties": gradient_penalty()}, "penalties is"),
        ({"shared_step_count": True}, "with Adam and Adam; use KerasAdam"),
        ({"shared_step_count": True, "generator_optimizer": Optimizer("KerasAdam")}, "with Adam and KerasAdam"),
        ({"deviations": "a text is no tuple"}, "deviations is"),
        ({"deviations": (5,)}, "5 is no text"),
        ({"title": "x" * 6000}, r"x+\.\.\. is no text of at most 5,000 characters"),
        ({"image_side": 100_000}, "image_side is 100000; .*at most 4,096"),
        ({"discriminator_steps": 10**12}, "discriminator_steps is 1000000000000; .*at most 10,000"),
        ({"fake_batch_size": 10**9}, "fake_batch_size is 1000000000; .*at most 1,000,000"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(changes, words):
    with pytest.raises(GanZooError, match=words) as error:
        replace(get("gan"), **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (Optimizer("SGD", {"lr": 0.1, "betas": (0.5, 0.9)}), "SGD cannot be made with .*betas"),
        (Optimizer("KerasAdam", {"lr": -1.0}), r"KerasAdam cannot be made with .*lr -1\.0"),
        (Optimizer("KerasAdam", {"lr": 1e-3, "betas": (0.5, 1.0)}), r"KerasAdam cannot be made with .*betas"),
    ],
)
def test_an_optimizer_that_cannot_be_made_is_one_clear_line(optimizer, words):
    with pytest.raises(GanZooError, match=words):
        init(_small(generator_optimizer=optimizer), random_data(4), seed=0)


def test_defaults_are_those_of_the_articles():
    variant = Variant(title="t", paper="p", networks=mlp, objective=cross_entropy())
    optimizer = variant.generator_optimizer.build([nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, torch.optim.Adam)
    assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))
    assert variant.discriminator_optimizer == variant.generator_optimizer
    assert (variant.discriminator_steps, variant.generator_steps, variant.latent) == (1, 1, uniform(100))


@pytest.mark.parametrize(("conditioning", "classes"), [("none", (0, 0)), ("generator", (10, 0)), ("both", (10, 10))])
def test_networks_get_the_classes_of_the_conditioning(conditioning, classes):
    spec = _small(conditioning=conditioning, latent=normal(7)).spec((3, 4, 4), 10)
    assert (spec.generator_classes, spec.discriminator_classes) == classes
    assert (spec.latent, spec.shape, spec.discriminator_input_shape) == (7, (3, 4, 4), (3, 4, 4))


def test_packs_have_so_many_times_the_channels():
    assert _small(packing=4).spec((3, 5, 6), 0).discriminator_input_shape == (12, 5, 6)


def test_conditioning_needs_classes():
    with pytest.raises(GanZooError, match="needs labels"):
        _small(conditioning="generator").build((1, 4, 4), 0)


def test_weights_of_the_dcgan_paper():
    """Linear and convolution weights N(0, 0.02); biases and batch norm as torch makes them."""
    torch.manual_seed(0)
    networks = get("dcgan", initialization="normal 0.02", width=32).build((1, 32, 32), 0)
    weights = [
        m.weight for n in networks for m in n.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert len(weights) == 8
    for weight in weights:
        assert weight.std().item() == pytest.approx(0.02, rel=5 / (2 * weight.numel()) ** 0.5)
        assert abs(weight.mean().item()) < 5 * 0.02 / weight.numel() ** 0.5
    gains = [m.weight for n in networks for m in n.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert all((gain == 1).all() for gain in gains)


FAMILIES = {
    "mlp": (partial(mlp, generator=(8,), discriminator=(8,)), 4),
    "linear stem": (partial(linear_stem, width=4), 16),
    "all-convolutional": (partial(all_convolutional, generator=(8, 6, 4), discriminator=(4, 6, 8)), 28),
}


@pytest.mark.parametrize("conditioning", ["both", "generator"])
@pytest.mark.parametrize("family", FAMILIES)
def test_any_architecture_takes_any_conditioning(family, conditioning):
    """Two steps move the label embeddings of the networks that are given labels, and no other has any."""
    networks, side = FAMILIES[family]
    variant = replace(get("dcgan"), networks=networks, conditioning=conditioning, batch_size=8)
    state = init(variant, random_data(side, n=20), seed=0)
    before = [_embeddings(network) for network in state.networks]
    advance(state, 2)
    assert [len(values) for values in before] == [1, 1 if conditioning == "both" else 0]
    for values, network in zip(before, state.networks, strict=True):
        assert all(not torch.equal(old, new) for old, new in zip(values, _embeddings(network), strict=True))
    assert all(torch.tensor(value).isfinite() for value in flush(state).values())


def _embeddings(network):
    return [m.weight.detach().clone() for m in network.modules() if isinstance(m, nn.Embedding)]


@pytest.mark.parametrize(
    "objective", [cross_entropy(), least_squares(probability=True), least_squares(probability=False)]
)
@pytest.mark.parametrize("penalties", [(), (gradient_penalty(),)], ids=["", "gradient penalty"])
@pytest.mark.parametrize("latent", [normal(5), uniform(5, -1, 1)], ids=str)
def test_objective_penalty_and_latent_are_orthogonal(objective, penalties, latent):
    state = init(_small(objective=objective, penalties=penalties, latent=latent), random_data(4), seed=0)
    values = flush(advance(state, 2))
    assert ("gradient_length" in values) == bool(penalties)
    assert all(torch.tensor(value).isfinite() for value in values.values())


def test_a_linear_stem_at_28_is_one_clear_line():
    with pytest.raises(GanZooError, match=r"cannot draw 28x28.*multiple of 8") as error:
        init(get("dcgan", image_side=28, batch_size=8), random_data(28), seed=0)
    assert "\n" not in str(error.value)


class _Widths:
    """A builder with neither a name nor a text of its own."""

    def __init__(self, width):
        self.width = width

    def __call__(self, spec):
        return mlp(spec, generator=(self.width,), discriminator=(self.width,))


@dataclass(frozen=True)
class _Record:
    width: int

    def __call__(self, spec):
        return mlp(spec, generator=(self.width,))


def _nested(width):
    def build(spec):
        return mlp(spec, generator=(width,))

    return build


def _recursive(width):
    def build(spec, depth=0):
        return mlp(spec, generator=(width,)) if depth else build(spec, 1)

    return build


BUILDERS = {
    "partial": lambda width: partial(mlp, generator=(width,)),
    "nested function": _nested,
    "nested in a nested function": lambda width: partial(_nested(width)),
    "lambda with a default": lambda width: lambda spec, width=width: mlp(spec, generator=(width,)),
    "lambda with a keyword default": lambda width: lambda spec, *, width=width: mlp(spec, generator=(width,)),
    "function that calls itself": _recursive,
    "callable object": _Widths,
    "bound method": lambda width: _Widths(width).__call__,
    "record": _Record,
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_a_hyperparameter_changes_the_description(kind):
    """However it is stored; and equal hyperparameters in two objects are described alike, without their addresses."""
    first, again, other = (
        json.dumps(describe(replace(get("gan"), networks=BUILDERS[kind](width)))) for width in (8, 8, 9)
    )
    assert first == again
    assert first != other
    assert " at 0x" not in first


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": least_squares(probability=True)},
        {"objective": least_squares(probability=False)},
        {"latent": normal(100)},
        {"latent": uniform(100, 0, 0.9999999)},
        {"penalties": (gradient_penalty(),)},
        {"penalties": (gradient_penalty(1.0000001),)},
        {"generator_optimizer": Optimizer("RMSprop", {"lr": 2e-4})},
        {"discriminator_optimizer": Optimizer("Adam", {"lr": 2e-4, "betas": (0.5, 0.99)})},
        {"after_discriminator_step": torch.nn.utils.parametrize.remove_parametrizations},
        {"networks": _Widths},
        {"ema": 0.999},
        {"packing": 2},
        {"concat_real_fake": True},
        {
            "shared_step_count": True,
            "generator_optimizer": Optimizer("KerasAdam"),
            "discriminator_optimizer": Optimizer("KerasAdam"),
        },
        {"deviations": ()},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{len(str(changes))}",
)
def test_every_field_is_in_the_description(changes):
    plain = json.dumps(describe(get("gan")))
    assert json.dumps(describe(replace(get("gan"), **changes))) != plain


@pytest.mark.parametrize("name", names())
def test_description_is_json(name):
    described = describe(get(name))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["name"] == name


_DESCRIBE = "import json; from gan_zoo.registry import describe, get, names; "
_DESCRIBE += "print(json.dumps({name: describe(get(name)) for name in names()}))"


def test_description_is_the_same_in_another_process():
    done = subprocess.run([sys.executable, "-c", _DESCRIBE], capture_output=True, text=True, check=True)
    for name, described in json.loads(done.stdout).items():
        assert described == describe(get(name))
        assert " at 0x" not in json.dumps(described)


def test_a_set_is_described_in_one_order():
    """Python's own order of a set moves from process to process."""
    assert describe({"words": {"c", "a", "d", "b", "e"}}) == {"words": ["a", "b", "c", "d", "e"]}
    assert describe(frozenset({30, 4, 200})) == [200, 30, 4]
