"""Small classifiers as feature extractors for grey 32x32 pictures, each with a card beside its weights."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_zoo.data import match_channels, resize
from gan_zoo.errors import GanZooError
from gan_zoo.metric_catalogue import METRICS
from gan_zoo.metrics.encoding import encode_in_batches
from gan_zoo.metrics.features import Features

SIDE = 32
FEATURES = 128
WEIGHTS = Path(__file__).parent / "weights"


class Classifier(nn.Module):
    """Three convolutional stages, a dense layer of 128 features, a linear head: 156,000 parameters as it stands.

    Input: float32 (N, 1, 32, 32) in [-1, 1]. Output: features (N, 128), not negative, and logits (N, classes).
    """

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64), classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for channels, width in zip((1, *widths), widths, strict=False):
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            stages += [convolution, nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU()]
        self.stages = nn.Sequential(*stages, nn.Flatten())
        dense = nn.Linear(widths[-1] * (SIDE // 8) ** 2, FEATURES, bias=False)
        self.dense = nn.Sequential(dense, nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(FEATURES, classes))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        features = self.dense(self.stages(samples))
        return features, self.head(features)


@dataclass(frozen=True)
class ClassifierExtractor:
    """An `Extractor` around a trained `Classifier`. Images pass through the data room's own resize to 32x32 grey."""

    name: str
    digest: str
    accuracy: float | None
    network: Classifier
    device: torch.device
    metrics: tuple[str, ...] = tuple(METRICS)
    minimum_n: int = FEATURES + 1

    @torch.no_grad()
    def encode(self, images: Tensor, batch: int = 500) -> Features:
        """Features (N, 128) and logits (N, classes) of uint8 images (N, C, H, W), C 1 or 3."""

        def one(chunk: Tensor) -> tuple[Tensor, Tensor]:
            grey = match_channels(resize(chunk, SIDE), 1)
            return self.network(grey.to(self.device).float().div_(127.5).sub_(1))

        return encode_in_batches(one, images, batch, self.name, self.device)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_classifier(name: str, device: torch.device, folder: Path = WEIGHTS) -> ClassifierExtractor:
    """The classifier `name` of `folder`. Raises GanZooError where its files are missing or do not belong together."""
    weights, card_file = folder / f"{name}.safetensors", folder / f"{name}.json"
    remedy = f"restore it or train it again with benchmarks/train_extractors.py --only {name}"
    for path in (weights, card_file):
        if not path.is_file():
            raise GanZooError(f"extractor file {path} is missing: {remedy}")
    card: dict[str, Any] = json.loads(card_file.read_text(encoding="utf-8"))
    digest = file_digest(weights)
    if digest != card["sha256"]:
        raise GanZooError(f"extractor file {weights} is damaged (its SHA-256 is not the card's): {remedy}")
    architecture = card["architecture"]
    with torch.device("meta"):  # Initial values would be drawn from the caller's random generator, for nothing.
        network = Classifier(tuple(architecture["widths"]), architecture["classes"])
    network.load_state_dict(load_file(weights), assign=True)
    network.eval().requires_grad_(False)
    network.to(device).to(memory_format=torch.channels_last)
    return ClassifierExtractor(name, digest, card["test_accuracy"], network, device)
