"""How a classifier that serves as a feature extractor is trained: one recipe form, the same draws every time."""

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from gan_zoo.data import Dataset, Split, resize
from gan_zoo.metrics.classifier import SIDE, Classifier

SEED = 0

OnEpoch = Callable[[int, float], None]
"""Told the number of each epoch that is over, from 1 on, and its mean loss."""


@dataclass(frozen=True)
class Recipe:
    """How one classifier is trained; `shift` is in pixels at side 32, `flip` mirrors half of the images."""

    epochs: int
    widths: tuple[int, int, int] = (16, 32, 64)
    shift: int = 2
    flip: bool = False
    dropout: float = 0.3
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    batch: int = 128


@dataclass(frozen=True)
class Trained:
    """A classifier's weights as the content of a safetensors file, and the card that describes them as JSON values."""

    weights: bytes
    card: dict[str, Any]


def recipe_for(images: int, channels: int) -> Recipe:
    """The recipe for any labelled set of so many training images: minutes on two CPU cores at most, seconds for few.

    Nothing is mirrored: in many sets (letters, digits) a mirrored image belongs to another class or to none.
    """
    widths, seen = ((16, 32, 64), 420_000) if channels == 1 else ((24, 48, 64), 280_000)
    return Recipe(epochs=min(40, max(3, seen // max(1, images))), widths=widths, batch=min(128, max(2, images // 8)))


def train_classifier(dataset: Dataset, recipe: Recipe, on_epoch: OnEpoch | None = None) -> Trained:
    """Train a classifier on a data set's labels, on the CPU, and test it on the test split.

    The same data, recipe, threads and versions give the same weights; the caller's random state is left as it is.
    """
    train, test = _prepared(dataset.train), _prepared(dataset.test)
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        network = fit(recipe, train, dataset.classes, on_epoch)
    seconds = time.perf_counter() - start
    weights = save({key: value.contiguous() for key, value in network.state_dict().items()})
    card = {
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "architecture": {
            "class": f"{Classifier.__module__}.{Classifier.__qualname__}",
            "widths": recipe.widths,
            "classes": dataset.classes,
            "channels": network.channels,
            "input": f"{SIDE}x{SIDE} {'grey' if network.channels == 1 else 'RGB'} in [-1, 1]",
        },
        "features": "the 128 outputs of the dense layer after its ReLU, as they are: not normalized, not centered",
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "train_images": len(train),
        "test_images": len(test),
        "test_accuracy": accuracy(network, test),
        "seed": SEED,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch,
        "optimizer": f"AdamW, one-cycle to {recipe.learning_rate}, weight decay {recipe.weight_decay}",
        "dropout": recipe.dropout,
        "augmentation": f"shifts to {recipe.shift} pixels" + (", mirror images" if recipe.flip else ""),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "seconds": round(seconds, 1),
    }
    return Trained(weights, card)


def augment(samples: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Samples (N, C, H, W), each shifted by up to `recipe.shift` pixels over black, half mirrored if `recipe.flip`."""
    count, channels, side, reach = *samples.shape[:2], samples.shape[-1], recipe.shift
    padded = functional.pad(samples, (reach,) * 4, value=-1.0)
    top, left = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=generator)
    rows, columns = top + torch.arange(side), left + torch.arange(side)
    if recipe.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    image, channel = torch.arange(count)[:, None, None, None], torch.arange(channels)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def fit(recipe: Recipe, train: Split, classes: int, on_epoch: OnEpoch | None = None) -> Classifier:
    """Train from scratch on a split of 32x32 images on the CPU: AdamW, one-cycle learning rate, cross-entropy."""
    torch.default_generator.manual_seed(SEED)  # torch.manual_seed would reach CUDA's too
    generator = torch.Generator().manual_seed(SEED)
    network = Classifier(recipe.widths, classes, recipe.dropout, channels=train.shape[0])
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = len(train) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps)
    for epoch in range(recipe.epochs):
        total = torch.zeros(())
        for index in torch.randperm(len(train), generator=generator)[: steps * recipe.batch].split(recipe.batch):
            samples, labels = train.take(index)
            _, logits = network(augment(samples, recipe, generator).contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        if on_epoch is not None:
            on_epoch(epoch + 1, total.item() / steps)
    return network


@torch.inference_mode()
def accuracy(network: nn.Module, split: Split) -> float:
    """Share of a split's images that the network names rightly; it is left in evaluation mode."""
    network.eval()
    correct = 0
    for index in torch.arange(len(split)).split(500):
        samples, labels = split.take(index)
        correct += int((network(samples)[1].argmax(1) == labels).sum())
    return correct / len(split)


def _prepared(split: Split) -> Split:
    return Split(resize(split.images, SIDE).cpu(), split.labels.cpu())
