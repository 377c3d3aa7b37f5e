"""A results folder as the bench leaves it, with made-up numbers: six variants, three seeds, failures of each kind."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_zoo.bench.results import Results
from gan_zoo.bench.tables import read_results

Row = dict[str, Any]
MakeFolder = Callable[..., Path]

STEPS = 2_000
TITLES = {
    "gan": "MLP GAN",
    "cgan": "Conditional GAN",
    "dcgan": "DCGAN",
    "lsgan": "Least-squares GAN",
    "lsgan_linear": "LSGAN <b>linear</b>",
    "wgan_weight_clipping": "WGAN, weights clipped",
}
OVERRIDES = ["batch 128 (article: 512)", "quarter width"]
CONDITIONAL = {"cgan", "lsgan", "lsgan_linear"}
SCORES = {"lsgan_linear", "wgan_weight_clipping"}
BEGIN = json.loads("""{
  "row": "begin", "data": "mnist", "preset": "quick", "paper": "arXiv 1406.2661", "latent": "100 uniform [0, 1)",
  "identity": {}, "objective": "cross-entropy", "batch_size": 128, "budget": {"images": 256000}, "deviations": []
}""")
MANIFEST = json.loads("""{
  "suite": {"name": "mnist"}, "title": "MNIST", "preset": "quick", "device": "AMD EPYC, 2 threads",
  "data": {"name": "mnist", "title": "MNIST", "note": "", "train": 60000, "test": 10000, "fingerprint": "cdcdcdcdcd"},
  "device_kind": "cpu", "precision": "fp32", "versions": {"torch": "2.9.0", "gan_zoo": "0.1.0"},
  "git_commit": "0123abcd", "command": "gan-zoo bench mnist --out results/mnist-quick",
  "started": "2026-01-01T00:00:00+00:00", "wall_seconds": 812.4, "num_samples": 2000, "budget": {"images": 256000}
}""")
MEASURED = {"row": "metrics", "num_samples": 2_000, "weights": "raw", "reference": "test"}


def metric_values(random: np.random.Generator, level: float, conditional: bool) -> dict[str, float]:
    level = level * random.lognormal(sigma=0.15)
    values = {
        "fid": 12 + level,
        "is": 9.6 - level / 60,
        "kid": level / 900,
        "precision": 0.95 - level / 600,
        "recall": max(0.0, 0.9 - level / 400),
        "density": 1 - level / 500,
        "coverage": max(0.0, 0.93 - level / 450),
        "modes": 10.0,
        "class_kl": level / 2000,
    }
    return values | ({"label_accuracy": 0.99 - level / 900} if conditional else {})


def run_rows(folder: Path, variant: str, seed: int, status: str, inception: bool) -> Iterator[Row]:
    """The rows of one run; it stops at 40% of the budget unless it ends well or collapsed."""
    random = np.random.default_rng([seed, sum(variant.encode())])
    order = list(TITLES).index(variant)
    rate = 50 + 9 * order
    yield BEGIN | {
        "run": f"{variant}-seed{seed}-0a1b2c3d",
        "variant": variant,
        "seed": seed,
        "title": TITLES[variant],
        "conditioning": "both" if variant in CONDITIONAL else "none",
        "score_kind": "score" if variant in SCORES else "probability",
        "parameters": {"generator": 1_490_000 + order, "discriminator": 533_505},
        "overrides": OVERRIDES if variant == "dcgan" else [],
    }
    last = int(STEPS * (1.0 if status in ("ok", "collapsed") else 0.4))
    for step in range(50, last + 1, 50):
        at = {"step": step, "images": step * 128, "seconds": step * rate / 1000}
        noise = random.normal(scale=0.08, size=4)
        gain = 1 + (step / last) ** 6 * 40 if status == "diverged" else 1.0
        broken = status == "diverged" and step == last
        values = {
            "D(real)": 0.7 + noise[2],
            "D(fake)": 0.3 + noise[3],
            "discriminator_loss": None if broken else 0.9 * gain + noise[0],
            "generator_loss": None if broken else 1.2 * gain + 0.4 * step / STEPS + noise[1],
        }
        yield {"row": "history", **at, "discriminator_steps": step, "generator_steps": step, "values": values}
        if step % (STEPS // 8) == 0 or step == STEPS // 10:
            level = (40 + 12 * order) * (1 + 5 * np.exp(-4 * step / STEPS)) * (4 if status == "collapsed" else 1)
            yield from metric_rows(random, at, level, variant in CONDITIONAL, inception)
            yield from sample_rows(folder, f"{variant}-seed{seed}-0a1b2c3d", at, variant in CONDITIONAL)
    if status != "unfinished":
        messages = {"diverged": f"generator loss was not finite at step {last}", "collapsed": "1 of 10 modes"}
        counts = {"steps": last, "images": last * 128, "discriminator_steps": last, "generator_steps": last}
        speed = {"seconds": last * rate / 1000, "images_per_second": 128_000 / rate, "peak_memory_bytes": 400_000_000}
        yield {"row": "end", "status": status, "message": messages.get(status, ""), **counts, **speed}


def metric_rows(
    random: np.random.Generator, at: Row, level: float, conditional: bool, inception: bool
) -> Iterator[Row]:
    """Values under Inception are a third of the level."""
    values = metric_values(random, level, conditional)
    selection = {"fid": values["fid"] * random.uniform(0.97, 1.03)}
    row = MEASURED | at | {"fraction": at["step"] / STEPS}
    counts = [int(10 * level) + label for label in range(10)]
    yield row | {"extractor": "mnist-cnn", "values": values, "selection": selection, "class_counts": counts}
    if inception:
        yield row | {"extractor": "inception", "values": {"fid": level / 3, "is": 2.1, "kid": level / 4000}}


def sample_rows(folder: Path, run: str, at: Row, conditional: bool) -> Iterator[Row]:
    progress = at["step"] / STEPS
    # The sheets of real images are the same for all seeds.
    name = run.split("-seed")[0] if at["step"] == 0 else run
    sizes = {"grid": (5, 4)} | ({"classes": (10, 10)} if conditional and progress in (0, 1) else {})
    for kind, (columns, rows) in sizes.items():
        file = f"records/{run}/{kind}-{at['step']:06d}.png"
        random = np.random.default_rng([at["step"], rows, *name.encode()])
        pixels = 255 * random.integers(2, size=(rows * 32, columns * 32), dtype=np.uint8)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / file)
        size = {"columns": columns, "rows": rows, "height": 32, "width": 32}
        yield {"row": "samples", "kind": kind, "file": file, **at, "fraction": progress, **size}


def floor_rows(folder: Path, seed: int, inception: bool) -> Iterator[Row]:
    random = np.random.default_rng(seed)
    run = {"run": f"real-seed{seed}-ffff0000", "variant": "real", "seed": seed, "title": "real images"}
    yield {"row": "begin", "data": "mnist", "preset": "quick", **run}
    at = {"step": 0, "images": 0, "seconds": 0.0}
    for sheet in sample_rows(folder, run["run"], at, conditional=True):
        yield sheet | {"fraction": 1.0}
    row = MEASURED | at | {"fraction": 1.0, "class_counts": [100] * 10}
    values = metric_values(random, 0.0, conditional=False)
    yield row | {
        "extractor": "mnist-cnn",
        "values": values | {"fid": random.normal(4, 0.1), "kid": random.normal(0, 1e-4)},
    }
    if inception:
        yield row | {"extractor": "inception", "values": {"fid": 9.0, "is": 2.4, "kid": 1e-4}}
    yield {"row": "end", "status": "ok", "message": "", "steps": 0, "images": 0, "seconds": 0.0}


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Makes a results folder: ``make_folder(variants, seeds, statuses={("dcgan", 1): "diverged"}, **manifest)``.

    ``change`` maps each row of the records to the row that is written, or to None.
    """

    def make(
        variants: Iterable[str] = tuple(TITLES),
        seeds: int = 3,
        statuses: dict[tuple[str, int], str] | None = None,
        inception: bool = False,
        change: Callable[[Row], Row | None] = lambda row: row,
        **changed: Any,
    ) -> Path:
        folder, variants = tmp_path_factory.mktemp("results"), list(variants)
        runs = {
            f"{variant}-seed{seed}-0a1b2c3d": run_rows(
                folder, variant, seed, (statuses or {}).get((variant, seed), "ok"), inception
            )
            for variant in variants
            for seed in range(seeds)
        }
        runs |= {f"real-seed{seed}-ffff0000": floor_rows(folder, seed, inception) for seed in range(seeds)}
        (folder / "records").mkdir()
        for name, rows in runs.items():
            lines = [json.dumps(row) + "\n" for row in map(change, rows) if row is not None]
            (folder / "records" / f"{name}.jsonl").write_text("".join(lines))
        extractors = {"mnist-cnn": {"digest": "ab" * 32, "accuracy": 0.9931}}
        manifest = MANIFEST | {
            "seeds": list(range(seeds)),
            "notices": [] if inception else ["inception left out: its weights are not here"],
            "variants": variants,
            "runs": list(runs),
            "extractors": extractors | ({"inception": {}} if inception else {}),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest | changed))
        return folder

    return make


@pytest.fixture(scope="session")
def make_results(make_folder: MakeFolder) -> Callable[..., Results]:
    """The tables of a folder that ``make_folder`` makes."""
    return lambda *args, **named: read_results(make_folder(*args, **named))


@pytest.fixture(scope="session")
def mixed_folder(make_folder: MakeFolder) -> Path:
    """One variant that ends well, one diverged seed, one collapsed seed, one seed cut short, one variant all failed."""
    statuses = {("dcgan", 1): "diverged", ("cgan", 0): "collapsed", ("lsgan_linear", 2): "unfinished"}
    statuses |= {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return make_folder([name for name in TITLES if name != "lsgan"], statuses=statuses)


@pytest.fixture(scope="session")
def mixed(mixed_folder: Path) -> Results:
    return read_results(mixed_folder)
