"""Generators with every layer that the page computes, and their pages."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gan_zoo import registry
from gan_zoo.bench.records import RunRecord
from gan_zoo.engine import Sampler
from gan_zoo.engine.state import build_networks
from gan_zoo.latent import categorical, normal, truncated_normal, uniform
from gan_zoo.networks.blocks import Generator, LabelConcat
from gan_zoo.options import DataOptions
from gan_zoo.samples import sheet
from gan_zoo.studies.trained import Trained

CPU = torch.device("cpu")
OTHER_LAYERS = (
    *(nn.Linear(6, 32), nn.LayerNorm(32), nn.LeakyReLU(0.1), nn.Unflatten(1, (8, 2, 2)), nn.Dropout(0.5)),
    *(nn.Upsample(scale_factor=2), nn.Conv2d(8, 6, 3, stride=1, padding=1, groups=2), nn.GroupNorm(1, 6), nn.ReLU()),
    *(nn.ConvTranspose2d(6, 4, 5, stride=2, padding=2, output_padding=1), nn.ZeroPad2d((1, -1, 0, 2)), nn.Sigmoid()),
    *(nn.Conv2d(4, 2, 3, stride=2, bias=False), nn.Flatten(), nn.BatchNorm1d(24), nn.Sequential(nn.Identity())),
    *(nn.Linear(24, 3 * 16, bias=False), nn.Tanh(), nn.Unflatten(1, (3, 4, 4))),
)
VARIANTS = {
    "cgan": {},
    "dcgan": {"width": 16},
    "dcgan28": {},
    "dcgan_paper": {"generator_width": 4},
    "dcgan_keras": {"width": 4},
    "infogan": {},
    "r3gan": {},
}


def spread(network):
    """A network whose images vary, with statistics, scales and shifts of norms as of a trained one."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
            if getattr(module, "weight", None) is not None and module.weight.dim() == 1:
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_normal_(module.weight, gain=1.5)
    return network.eval().requires_grad_(False)


def wrapped(name, variant, generator, shape, **facts):
    sampler = Sampler(variant, generator, 10)
    facts = {"name": name, "seed": 0, "data_name": "mnist", "data_options": DataOptions(), "precision": "fp32"} | facts
    return Trained(sampler=sampler, discriminator=nn.Identity(), shape=shape, device=CPU, **facts)


def of_variant(name, **settings):
    variant = registry.get(name, **settings)
    if name == "r3gan":
        variant = replace(variant, image_side=8)
    shape = (1, variant.image_side, variant.image_side)
    return wrapped(name, variant, spread(build_networks(variant, shape, 10).generator), shape)


@pytest.fixture(scope="session")
def rounded():
    """Copies a network with kernels of float16."""

    def copied(network):
        network = copy.deepcopy(network)
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.copy_(parameter.half().float())
        return network

    return copied


@pytest.fixture(scope="session")
def networks():
    """Trained GANs by name: variants, and a made one of the layers that they do not have, with each latent part."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = {name: of_variant(name, **settings) for name, settings in VARIANTS.items()}
        generator = spread(Generator(LabelConcat(0, 6), nn.Sequential(*copy.deepcopy(OTHER_LAYERS))))
        latent = normal(1) + truncated_normal(1, -0.5, 1.0, name="b") + uniform(2, 2.0, 3.0, name="c")
        variant = replace(registry.get("gan"), latent=latent + categorical(2))
        found["other"] = wrapped("other", variant, generator, (3, 4, 4))
    return found


@pytest.fixture(scope="session")
def recorded(networks, tmp_path_factory) -> list[Trained]:
    """A conditional and an unconditional GAN of different sides, in a results folder with samples at evaluations."""
    folder: Path = tmp_path_factory.mktemp("results")
    data = {"name": "mnist", "title": "MNIST", "class_names": [f"digit {label}" for label in range(10)]}
    manifest = {"schema": 2, "data": data, "preset": "quick", "runs": [], "variants": [], "seeds": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = []
    for name, evaluations in {"cgan": (100, 400), "dcgan28": (200, 400)}.items():
        record = RunRecord(name)
        trained = networks[name]
        for images in evaluations:
            file = f"{name}-{images}.png"
            sheet(trained.sampler(20, seed=images)).save(folder / file)
            side = trained.shape[1]
            row = {"row": "samples", "kind": "grid", "images": images, "step": images, "file": file}
            record.samples.append(row | {"columns": 5, "rows": 4, "height": side, "width": side})
        found.append(replace(trained, record=record, folder=folder))
    return found
