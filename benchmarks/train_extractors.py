"""Train the classifiers that are shipped as feature extractors and write their weights and cards.

Example: python benchmarks/train_extractors.py --only mnist-cnn --data-root DIR
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from gan_zoo import data
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.metrics.classifier import SIDE, WEIGHTS
from gan_zoo.metrics.classifier_training import TrainingOptions, train_classifier


@dataclass(frozen=True)
class Shipped:
    """A data set, how its classifier is trained, and the test accuracy that it must reach."""

    dataset: str
    floor: float
    options: TrainingOptions


SHIPPED = {
    "mnist-cnn": Shipped("mnist", 0.992, TrainingOptions(epochs=7)),
    "fashion-cnn": Shipped("fashion_mnist", 0.915, TrainingOptions(epochs=10, widths=(24, 40, 64), flip=True)),
    "digits-cnn": Shipped("digits", 0.97, TrainingOptions(epochs=40, shift=4)),
}


def train_extractor(name: str, root: Path | None, folder: Path) -> None:
    """Train one extractor and write `name`.safetensors and `name`.json into `folder`.

    Raises GanZooError where its test accuracy stays below the floor (nothing is written then), and StorageError.
    """
    shipped = SHIPPED[name]
    dataset = data.load(shipped.dataset, side=SIDE, channels=1, root=root)

    def progress(epoch: int, loss: float) -> None:
        print(f"epoch {epoch}/{shipped.options.epochs}: loss {loss:.4f}", flush=True)

    trained = train_classifier(dataset, shipped.options, progress)
    card = {"name": name, **trained.card, "command": f"python benchmarks/train_extractors.py --only {name}"}
    reached = card["test_accuracy"]
    if reached < shipped.floor:
        raise GanZooError(f"{name} has {reached:.2%} on the test split, not {shipped.floor:.2%}: change its options")
    atomic_write(folder / f"{name}.safetensors", trained.weights)
    atomic_write(folder / f"{name}.json", json.dumps(card, indent=2) + "\n")
    print(f"{name}: test accuracy {reached:.2%}, {len(trained.weights):,} bytes, {card['seconds']:.0f} s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SHIPPED, action="append", help="train this one (may be repeated)")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for weights and cards")
    options = parser.parse_args(arguments)
    torch.set_float32_matmul_precision("medium")
    try:
        for name in options.only or SHIPPED:
            train_extractor(name, options.data_root, options.out)
    except GanZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
