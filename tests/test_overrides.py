"""Options of a variant: settings of its optimizers, the size of its latent, and dotted keys."""

from dataclasses import replace

import pytest

from gan_zoo import registry
from gan_zoo.networks.dcgan import linear_stem
from gan_zoo.optimizer import Optimizer, Schedule
from gan_zoo.registry import describe


def test_settings_of_an_optimizer_are_options():
    """``lr`` is that of both optimizers; what an option does not name stays the variant's own."""
    betas = {"betas": (0.0, 0.9)}
    assert _optimizers("wgan_gp", lr=1e-5) == [Optimizer("Adam", {"lr": 1e-5, **betas})] * 2
    one = [Optimizer("Adam", {"lr": 1e-5, **betas}), Optimizer("Adam", {"lr": 1e-4, **betas})]
    assert _optimizers("wgan_gp", **{"generator_optimizer.lr": 1e-5}) == one
    assert _optimizers("wgan_gp", generator_optimizer={"lr": 1e-5}) == one
    assert _optimizers("wgan_gp", **{"generator_optimizer.lr": 1e-5, "lr": 1e-4}) == one
    keras = _optimizers("dcgan_keras", lr=1e-5)
    assert [(each.name, each.settings["lr"]) for each in keras] == [
        ("KerasAdam", Schedule(1e-5, "inverse", decay=1e-8))
    ] * 2
    named = _optimizers("gan", **{"lr": 0.1, "generator_optimizer.name": "SGD", "generator_optimizer.momentum": 0.5})
    assert named == [
        Optimizer("SGD", {"lr": 0.1, "momentum": 0.5}),
        Optimizer("Adam", {"lr": 0.1, "betas": (0.5, 0.999)}),
    ]


def _optimizers(name, **options):
    variant = registry.get(name, **options)
    assert describe(registry.get(name, **variant.options)) == describe(variant)
    return [variant.generator_optimizer, variant.discriminator_optimizer]


def test_lr_is_the_variants_own_hyperparameter_where_it_has_one(own_registry):
    registry.register("own_rate")(lambda *, lr=0.5: replace(registry.get("gan"), ema=lr))
    assert registry.get("own_rate", lr=0.25).ema == 0.25


@pytest.mark.parametrize(
    ("name", "latent"),
    [
        ("gan", "64 uniform [0, 1)"),
        ("nsgan", "64 normal"),
        ("infogan", "52 normal + 10 categorical + 2 uniform [-1, 1)"),
    ],
)
def test_latent_as_a_number_is_the_size_of_the_variants_own(name, latent):
    assert str(registry.get(name, latent=64).latent) == latent
    assert [part.name for part in registry.get(name, latent=64).latent.parts] == [
        part.name for part in registry.get(name).latent.parts
    ]


def test_a_dotted_key_goes_into_a_table():
    variant = registry.get("gan", **{"backbone.width": 4, "backbone": "dcgan"})
    assert (variant.networks.func, variant.networks.keywords) == (linear_stem, {"width": 4})
