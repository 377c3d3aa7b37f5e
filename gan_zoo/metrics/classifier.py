"""Small classifiers of 32x32 images as feature extractors, each with a card beside its weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from gan_zoo.checked import Checked, Classes, fault
from gan_zoo.data import match_channels, resize
from gan_zoo.errors import DamagedFileError, GanZooError
from gan_zoo.metrics.features import Extractor
from gan_zoo.metrics.registry import names_for

SIDE = 32
FEATURES = 128
MINIMUM_N = FEATURES + 1
CHANNELS = 3
WEIGHTS = Path(__file__).parent / "weights"


class _Architecture(Checked):
    widths: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=3, max_length=3)]
    classes: Classes
    channels: Literal[1, 3] = 1


class _Card(Checked):
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    architecture: _Architecture
    test_accuracy: Annotated[float, Field(ge=0, le=1)]


class Classifier(nn.Module):
    """Three convolutional stages, a dense layer of 128 features, a linear head: 156,000 parameters by default.

    Input: float32 (N, channels, 32, 32) in [-1, 1]. Output: features (N, 128), not negative, and logits (N, classes).
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (16, 32, 64),
        classes: int = 10,
        dropout: float = 0.0,
        *,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        stages: list[nn.Module] = []
        for before, width in zip((channels, *widths), widths, strict=False):
            convolution = nn.Conv2d(before, width, 3, padding=1, bias=False)
            stages += [convolution, nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU()]
        self.stages = nn.Sequential(*stages, nn.Flatten())
        dense = nn.Linear(widths[-1] * (SIDE // 8) ** 2, FEATURES, bias=False)
        self.dense = nn.Sequential(dense, nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(FEATURES, classes))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        features = self.dense(self.stages(samples))
        return features, self.head(features)


@dataclass(frozen=True, kw_only=True)
class ClassifierExtractor(Extractor):
    """An `Extractor` around a trained `Classifier`: 128 features, one logit a class."""

    network: Classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 128) and logits (B, classes) of images resized to 32x32."""
        pixels = match_channels(resize(images, SIDE), self.network.channels)
        features: tuple[Tensor, Tensor] = self.network(pixels.to(self.device).float().div_(127.5).sub_(1))
        return features


class StackedExtractor(ClassifierExtractor):
    """An `Extractor` of stacked MNIST: the MNIST classifier on each of three channels.

    It has 3 x 128 features and 1,000 classes, 100 r + 10 g + b. ``modes_hit`` and ``class_kl`` are those of Srivastava
    et al. 2017 (arXiv 1705.07761) and Lin et al. 2018 (arXiv 1712.04086), who use N = 26,000 samples. Left out are
    ``modes``, as 1% of the images is ten times an even share, and the Inception Score, whose marginal over 1,000
    classes needs more samples.
    """

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 384) and logits (B, 1000), the digits' joint log-probabilities, of images (B, 3, H, W)."""
        if images.shape[1] != CHANNELS:
            raise GanZooError(
                f"extractor {self.name!r} reads a digit in each of {CHANNELS} channels, and the images have "
                f"{images.shape[1]}: use RGB images"
            )
        pixels = resize(images, SIDE).to(self.device).float().div_(127.5).sub_(1)
        vectors, logits = self.network(pixels.flatten(0, 1).unsqueeze(1))
        red, green, blue = logits.log_softmax(dim=1).unflatten(0, (len(images), CHANNELS)).unbind(dim=1)
        joint = red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]
        return vectors.reshape(len(images), -1), joint.flatten(1)


def load_stacked(device: torch.device) -> StackedExtractor:
    """The extractor of stacked MNIST. Raises GanZooError if a file of ``mnist-cnn`` is missing or damaged."""
    digits = load_classifier("mnist-cnn", device)
    return StackedExtractor(
        name="stacked-mnist-cnn",
        digest=digits.digest,
        metrics=names_for("stacked"),
        minimum_n=CHANNELS * FEATURES + 1,
        device=device,
        network=digits.network,
    )


def load_classifier(name: str, device: torch.device, folder: Path = WEIGHTS) -> ClassifierExtractor:
    """The classifier ``name`` of a folder. Raises GanZooError if a file is missing or damaged."""
    weights, card = folder / f"{name}.safetensors", folder / f"{name}.json"
    remedy = f"restore it or train it again with benchmarks/train_extractors.py --only {name}"
    for path in (weights, card):
        if not path.is_file():
            raise GanZooError(f"extractor file {path} is missing: {remedy}")
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
        if wrong := card_fault(content):
            raise ValueError(wrong)
    except (OSError, ValueError, RecursionError) as error:
        raise GanZooError(f"extractor file {card} is damaged ({error}): {remedy}") from None
    try:
        return build_classifier(name, weights.read_bytes(), content, device)
    except (OSError, DamagedFileError) as error:
        raise GanZooError(f"extractor file {weights} is damaged ({error}): {remedy}") from error


def card_fault(card: Any) -> str:
    """What is wrong with the content of a card, in a line; empty for a valid one."""
    return fault(_Card, card) if isinstance(card, dict) else "it is no object of JSON"


def build_classifier(name: str, weights: bytes, card: Mapping[str, Any], device: torch.device) -> ClassifierExtractor:
    """The classifier in the content of a safetensors file, in evaluation mode.

    Args:
        name: its name.
        weights: the content.
        card: a card without a ``card_fault``.
        device: the device of the network.

    Raises:
        DamagedFileError: the SHA-256 of the content is not the card's, or its tensors are not of the card's network.
    """
    digest = hashlib.sha256(weights).hexdigest()
    if digest != card["sha256"]:
        raise DamagedFileError("its SHA-256 is not the card's")
    architecture = card["architecture"]
    with torch.device("meta"):  # Initial values would be drawn from the caller's random generator.
        network = Classifier(
            tuple(architecture["widths"]), architecture["classes"], channels=architecture.get("channels", 1)
        )
    # Cloned: the content is not aligned as a tensor's memory is, which can change a product's last bit.
    try:
        network.load_state_dict({key: value.clone() for key, value in load(weights).items()}, assign=True)
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise DamagedFileError(f"it does not fit the card: {' '.join(str(error).split())[:200]}") from None
    network.eval().requires_grad_(False)
    network.to(device).to(memory_format=torch.channels_last)
    return ClassifierExtractor(
        name=name,
        digest=digest,
        metrics=names_for("classifier"),
        minimum_n=MINIMUM_N,
        device=device,
        accuracy=card["test_accuracy"],
        network=network,
    )
