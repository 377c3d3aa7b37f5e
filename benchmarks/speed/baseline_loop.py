"""The loop that GAN tutorials write, for the four systems of the articles. It knows nothing of gan_zoo.

It is the baseline, so it keeps what such tutorials do: every image goes through PIL in a DataLoader, the generator
makes its fakes twice a step, the discriminator's fakes are not detached, probabilities meet BCELoss or MSELoss, both
losses are read with ``.item()`` in every step, and Adam walks over the parameters one by one.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

BATCH, LATENT, CLASSES, EMBEDDING, PIXELS = 512, 100, 10, 10, 32 * 32
VARIANTS = ("gan", "cgan", "dcgan", "lsgan")
WORKERS = (0, 2, 4)
"""Worker processes of the DataLoader that are tried; the fastest is the baseline."""

Batches = Iterable[tuple[Tensor, Tensor]]


class Network(nn.Module):
    """Layers in sequence, on flat inputs with a label embedding where it is conditional."""

    def __init__(self, *layers: nn.Module, conditional: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, EMBEDDING) if conditional else None
        self.model = nn.Sequential(*layers)

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is not None:
            inputs = torch.cat((inputs.flatten(1), self.embedding(labels)), 1)
        return self.model(inputs)


def mlp_generator(conditional: bool) -> nn.Module:
    """Linear layers 100-128-256-512-1024-1024."""
    layers: list[nn.Module] = []
    widths = (LATENT + (EMBEDDING if conditional else 0), 128, 256, 512, 1024)
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.2, inplace=True)]
    layers += [nn.Linear(1024, PIXELS), nn.Tanh(), nn.Unflatten(1, (1, 32, 32))]
    return Network(*layers, conditional=conditional)


def mlp_discriminator(conditional: bool) -> nn.Module:
    """Linear layers 1024-1024-512-256-1 with a probability out."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise((PIXELS + (EMBEDDING if conditional else 0), 1024, 512, 256)):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2, inplace=True)]
    return Network(*layers, nn.Linear(256, 1), nn.Sigmoid(), conditional=conditional)


def conv_generator() -> nn.Module:
    """A linear stem to 512 maps of 4x4, then three transposed convolutions."""
    layers: list[nn.Module] = [nn.Linear(LATENT, 512 * 4 * 4), nn.BatchNorm1d(512 * 4 * 4), nn.ReLU(inplace=True)]
    layers.append(nn.Unflatten(1, (512, 4, 4)))
    for inputs, outputs in pairwise((512, 256, 128)):
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return Network(*layers, nn.ConvTranspose2d(128, 1, 4, stride=2, padding=1), nn.Tanh())


def conv_discriminator() -> nn.Module:
    """Three strided convolutions and a linear head with a probability out."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((1, 128, 256, 512)):
        layers.append(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1))
        layers += [nn.BatchNorm2d(outputs)] if inputs > 1 else []
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return Network(*layers, nn.Flatten(), nn.Linear(512 * 4 * 4, 1), nn.Sigmoid())


def networks(variant: str) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of one of the four systems."""
    if variant == "dcgan":
        return conv_generator(), conv_discriminator()
    conditional = variant in ("cgan", "lsgan")
    return mlp_generator(conditional), mlp_discriminator(conditional)


def loader(root: Path, workers: int) -> DataLoader:
    """Batches of real MNIST, each image read, resized and scaled through PIL when it is needed."""
    transform = transforms.Compose([transforms.Resize(32), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    images = datasets.MNIST(root, train=True, transform=transform)
    return DataLoader(images, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


class InMemory:
    """Epochs of batches from tensors that are ready: images float32 (N, 1, 32, 32), labels int64 (N,)."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.randperm(len(self.images), device=self.images.device).split(BATCH):
            yield self.images[chosen], self.labels[chosen]


class Training:
    """The four systems' training loop, as it is written in tutorials."""

    def __init__(self, variant: str, device: torch.device) -> None:
        self.device = device
        generator, discriminator = networks(variant)
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        self.loss = nn.MSELoss() if variant == "lsgan" else nn.BCELoss()
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), foreach=False)
            for network in (self.generator, self.discriminator)
        )

    def epoch(self, batches: Batches) -> Iterator[int]:
        """Train on each batch, and yield how many images it had."""
        for images, labels in batches:
            real, labels = images.to(self.device), labels.to(self.device)
            valid = torch.ones(real.size(0), 1, device=self.device)
            fake = torch.zeros(real.size(0), 1, device=self.device)
            latent = torch.rand(real.size(0), LATENT, device=self.device)

            self.optimizer_d.zero_grad()
            generated = self.generator(latent, labels)
            real_loss = self.loss(self.discriminator(real, labels), valid)
            fake_loss = self.loss(self.discriminator(generated, labels), fake)
            d_loss = real_loss + fake_loss
            d_loss.backward()
            self.optimizer_d.step()

            self.optimizer_g.zero_grad()
            generated = self.generator(latent, labels)
            g_loss = self.loss(self.discriminator(generated, labels), valid)
            g_loss.backward()
            self.optimizer_g.step()

            self.losses = d_loss.item(), g_loss.item()
            yield real.size(0)
