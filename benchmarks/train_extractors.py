"""Train the classifiers that serve as feature extractors and write their weights and cards.

Example: python benchmarks/train_extractors.py --only mnist-cnn --data-root DIR
"""

import argparse
import json
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from gan_zoo import data
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.classifier import SIDE, WEIGHTS, Classifier, file_digest

SEED = 0
BATCH = 128


@dataclass(frozen=True)
class Recipe:
    """How one classifier is trained; `shift` is in pixels at side 32, `floor` the test accuracy it must reach."""

    dataset: str
    floor: float
    epochs: int
    widths: tuple[int, int, int] = (16, 32, 64)
    shift: int = 2
    flip: bool = False
    dropout: float = 0.3
    learning_rate: float = 4e-3
    weight_decay: float = 0.02


RECIPES = {
    "mnist-cnn": Recipe("mnist", floor=0.992, epochs=7),
    "fashion-cnn": Recipe("fashion_mnist", floor=0.915, epochs=10, widths=(24, 40, 64), flip=True),
    "digits-cnn": Recipe("digits", floor=0.97, epochs=40, shift=4),
}


def augment(samples: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shift each sample by up to `recipe.shift` pixels over black, and mirror half of them where `recipe.flip`."""
    count, side, reach = len(samples), samples.shape[-1], recipe.shift
    padded = functional.pad(samples, (reach,) * 4, value=-1.0)
    top, left = torch.randint(0, 2 * reach + 1, (2, count, 1), generator=generator)
    rows, columns = top + torch.arange(side), left + torch.arange(side)
    if recipe.flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    return padded[torch.arange(count)[:, None, None], 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def fit(recipe: Recipe, train: data.Split, classes: int) -> Classifier:
    """Train from scratch: AdamW, one-cycle learning rate, cross-entropy."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = Classifier(recipe.widths, classes, recipe.dropout).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = len(train) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps)
    for epoch in range(recipe.epochs):
        total = torch.zeros(())
        for index in torch.randperm(len(train), generator=generator)[: steps * BATCH].split(BATCH):
            samples, labels = train.take(index)
            _, logits = network(augment(samples, recipe, generator).contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {total.item() / steps:.4f}", flush=True)
    return network


@torch.inference_mode()
def accuracy(network: nn.Module, split: data.Split) -> float:
    network.eval()
    correct = 0
    for index in torch.arange(len(split)).split(500):
        samples, labels = split.take(index)
        correct += int((network(samples)[1].argmax(1) == labels).sum())
    return correct / len(split)


def train_extractor(name: str, root: Path | None, folder: Path) -> None:
    """Train one extractor and write `name`.safetensors and `name`.json into `folder`.

    Raises GanZooError where its test accuracy stays below the recipe's floor; nothing is written then.
    """
    recipe = RECIPES[name]
    dataset = data.load(recipe.dataset, side=SIDE, channels=1, root=root)
    start = time.perf_counter()
    network = fit(recipe, dataset.train, dataset.classes)
    seconds = time.perf_counter() - start
    reached = accuracy(network, dataset.test)
    if reached < recipe.floor:
        raise GanZooError(f"{name} reached {reached:.2%} on the test split, not {recipe.floor:.2%}: change its recipe")
    weights = folder / f"{name}.safetensors"
    weights.write_bytes(save({key: value.contiguous() for key, value in network.state_dict().items()}))
    card = {
        "name": name,
        "sha256": file_digest(weights),
        "bytes": weights.stat().st_size,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "architecture": {
            "class": "gan_zoo.metrics.classifier.Classifier",
            "widths": recipe.widths,
            "classes": dataset.classes,
            "input": f"{SIDE}x{SIDE} grey in [-1, 1]",
        },
        "features": "the 128 outputs of the dense layer after its ReLU, as they are: not normalized, not centered",
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "test_accuracy": reached,
        "seed": SEED,
        "epochs": recipe.epochs,
        "batch_size": BATCH,
        "optimizer": f"AdamW, one-cycle to {recipe.learning_rate}, weight decay {recipe.weight_decay}",
        "dropout": recipe.dropout,
        "augmentation": f"shifts to {recipe.shift} pixels" + (", mirror images" if recipe.flip else ""),
        "command": f"python benchmarks/train_extractors.py --only {name}",
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "seconds": round(seconds, 1),
    }
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(f"{name}: test accuracy {reached:.2%}, {weights.stat().st_size:,} bytes, {seconds:.0f} s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=RECIPES, action="append", help="train this one (may be repeated)")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for weights and cards")
    options = parser.parse_args(arguments)
    torch.set_float32_matmul_precision("medium")
    try:
        for name in options.only or RECIPES:
            train_extractor(name, options.data_root, options.out)
    except GanZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
