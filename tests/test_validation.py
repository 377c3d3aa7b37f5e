"""Every registered variant holds to the contract, and the contract is one that can be broken."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_zoo import registry, validation
from gan_zoo.losses import hinge, wasserstein


@pytest.mark.parametrize("check", validation.CHECKS)
@pytest.mark.parametrize("name", registry.names())
def test_variant_holds(name, check):
    """At small widths in the checks that train."""
    trains = check in ("repeats", "checkpoint_resumes", "stays_finite")
    small = {option: 8 for option in registry.hyperparameters(name) if "width" in option and trains}
    validation.CHECKS[check](registry.get(name, **small))


class _Flat(nn.Module):
    def __init__(self, spec, *, unused=False, score=True):
        super().__init__()
        self.spec, self.score = spec, score
        self.layer = nn.Linear(spec.latent if not score else 32 * 32, 1 if score else 32 * 32)
        self.unused = nn.Linear(1, 1) if unused else None

    def forward(self, values, _labels=None):
        out = self.layer(values.flatten(1))
        return out.squeeze(1) if self.score else out.tanh().unflatten(1, self.spec.shape)


def _variant(generator, discriminator, **changes):
    networks = lambda spec: (generator(spec), discriminator(spec))  # noqa: E731
    return replace(registry.get("gan"), networks=networks, **changes)


def _generator(spec):
    return _Flat(spec, score=False)


def test_a_sound_toy_passes():
    variant = _variant(_generator, _Flat)
    for name in ("shapes", "gradients_reach", "stays_finite", "repeats"):
        validation.CHECKS[name](variant)


def test_a_parameter_without_gradient_is_found():
    variant = _variant(_generator, lambda spec: _Flat(spec, unused=True))
    with pytest.raises(validation.Broken, match=r"discriminator\.unused"):
        validation.gradients_reach(variant)


@pytest.mark.parametrize("objective", [hinge(), wasserstein()], ids=["hinge", "wasserstein"])
def test_the_gradient_of_the_score_s_bias_may_cancel(objective):
    validation.gradients_reach(replace(registry.get("gan"), objective=objective))


def test_a_wrong_shape_is_found():
    variant = _variant(_generator, lambda spec: nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 1)))
    with pytest.raises(validation.Broken, match="scores of"):
        validation.shapes(variant)


def test_values_out_of_range_are_found():
    with pytest.raises(validation.Broken, match="outside"):
        validation.shapes(replace(registry.get("gan"), networks=_loud))


def _loud(spec):
    generator = nn.Sequential(nn.Linear(100, 1024), nn.Unflatten(1, spec.shape))
    nn.init.normal_(generator[0].weight, 0, 10)
    return generator, _Flat(spec)


def test_randomness_outside_the_seed_is_found():
    free = torch.Generator()
    free.seed()

    def networks(spec):
        pair = _generator(spec), _Flat(spec)
        with torch.no_grad():
            pair[0].layer.bias += torch.rand(1, generator=free)
        return pair

    with pytest.raises(validation.Broken, match="same seed differ"):
        validation.repeats(replace(registry.get("gan"), networks=networks))


def test_a_generator_deaf_to_labels_is_found():
    variant = _variant(_generator, _Flat, conditioning="generator")
    with pytest.raises(validation.Broken, match="same image"):
        validation.label_changes_image(variant)
