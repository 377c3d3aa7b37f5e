"""A results folder as the bench leaves it, with made-up numbers: six variants, three seeds, failures of each kind."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

Rows = list[dict[str, Any]]
MakeFolder = Callable[..., Path]

BUDGET, STEPS, EVALUATIONS, N = 256_000, 2_000, 8, 2_000
TITLES = {
    "gan": "MLP GAN",
    "cgan": "Conditional GAN",
    "dcgan": "DCGAN",
    "lsgan": "Least-squares GAN",
    "lsgan_linear": "LSGAN <b>linear</b>",
    "wgan_weight_clipping": "WGAN, weights clipped",
}
OVERRIDES = ["batch 128 (article: 512)", "quarter width"]
BEGIN = """{
  "row": "begin", "data": "mnist", "preset": "quick", "paper": "arXiv 1406.2661", "latent": "100 uniform [0, 1)",
  "identity": {}, "objective": "cross-entropy", "batch_size": 128, "budget": {"images": 256000}, "overrides": [],
  "deviations": [], "started": "2026-01-01T00:00:00+00:00"
}"""
MANIFEST = """{
  "suite": {"name": "mnist"}, "title": "MNIST", "preset": "quick", "device": "AMD EPYC, 2 threads",
  "data": {"name": "mnist", "title": "MNIST", "note": "", "train": 60000, "test": 10000, "requested": "mnist"},
  "device_kind": "cpu", "precision": "fp32", "versions": {"torch": "2.9.0", "gan_zoo": "0.1.0"},
  "git_commit": "0123abcd", "command": "gan-zoo bench mnist --out results/mnist-quick",
  "started": "2026-01-01T00:00:00+00:00", "wall_seconds": 812.4, "num_samples": 2000, "budget": {"images": 256000}
}"""
CONDITIONAL = {"cgan", "lsgan", "lsgan_linear"}
SCORES = {"lsgan_linear", "wgan_weight_clipping"}


def measured(random: np.random.Generator, level: float, conditional: bool) -> dict[str, float]:
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


def cell_rows(folder: Path, variant: str, seed: int, status: str, inception: bool) -> Iterable[dict[str, Any]]:
    """The rows of one cell; it stops at 40% of the budget unless it ends well or collapsed."""
    random = np.random.default_rng([seed, sum(variant.encode())])
    order = list(TITLES).index(variant)
    level, rate = 40 + 12 * order, 50 + 9 * order
    name = f"{variant}-seed{seed}-0a1b2c3d"
    begin = {"run": name, "variant": variant, "seed": seed, "title": TITLES[variant]}
    begin["conditioning"] = "both" if variant in CONDITIONAL else "none"
    begin["score_kind"] = "score" if variant in SCORES else "probability"
    begin["parameters"] = {"generator": 1_490_000 + order, "discriminator": 533_505}
    begin |= {"overrides": OVERRIDES} if variant == "dcgan" else {}
    yield json.loads(BEGIN) | begin
    share = 1.0 if status in ("ok", "collapsed") else 0.4
    last = int(STEPS * share)
    for step in range(50, last + 1, 50):
        at = {"step": step, "images": step * 128, "seconds": step * rate / 1000}
        noise = random.normal(scale=0.08, size=4)
        gain = 1 + (step / last) ** 6 * 40 if status == "diverged" else 1.0
        broken = status == "diverged" and step == last
        values = {"discriminator_loss/real": 0.45, "generator_grad_norm": 1.0}
        values |= {"D(real)": 0.7 + noise[2], "D(fake)": 0.3 + noise[3]}
        values["discriminator_loss"] = None if broken else 0.9 * gain + noise[0]
        values["generator_loss"] = None if broken else 1.2 * gain + 0.4 * step / STEPS + noise[1]
        yield {"row": "history", **at, "discriminator_steps": step, "generator_steps": step, "values": values}
        if step % (STEPS // EVALUATIONS) == 0 or step == STEPS // 10:
            yield from evaluation_rows(folder, name, variant, random, at, level, status, inception)
    if status != "unfinished":
        messages = {"diverged": f"generator loss was not finite at step {last}", "collapsed": "1 of 10 modes"}
        end = {"row": "end", "status": status, "message": messages.get(status, ""), "steps": last}
        end |= {"images": last * 128, "discriminator_steps": last, "generator_steps": last}
        end |= {"seconds": last * rate / 1000, "images_per_second": 128_000 / rate}
        yield end | {"peak_memory_bytes": 400_000_000}


def evaluation_rows(
    folder: Path,
    cell: str,
    variant: str,
    random: np.random.Generator,
    at: dict[str, Any],
    level: float,
    status: str,
    inception: bool,
) -> Iterable[dict[str, Any]]:
    progress = at["step"] / STEPS
    now = level * (1 + 5 * np.exp(-4 * progress)) * (4 if status == "collapsed" else 1)
    values = measured(random, now, variant in CONDITIONAL)
    shared = {**at, "fraction": progress, "num_samples": N, "weights": "raw", "reference": "test"}
    yield {
        "row": "metrics",
        **shared,
        "extractor": "mnist-cnn",
        "values": values,
        "selection": {"fid": values["fid"] * random.uniform(0.97, 1.03)},
    }
    if inception:
        yield {
            "row": "metrics",
            **shared,
            "extractor": "inception",
            "values": {"fid": now / 3, "is": 2.1, "kid": now / 4000},
        }
    place = {"step": at["step"], "images": at["images"], "fraction": progress, "height": 32, "width": 32}
    kinds = [("grid", 5, 4)] + ([("classes", 10, 10)] if variant in CONDITIONAL and progress == 1 else [])
    for kind, columns, rows in kinds:
        file = f"records/{cell}/{kind}-{at['step']:06d}.png"
        draw_tiles(folder / file, columns, rows, noise=max(0.05, 1 - 1.1 * progress), by_class=kind == "classes")
        yield {"row": "samples", "kind": kind, "file": file, "columns": columns, "rows": rows, **place}


def draw_tiles(path: Path, columns: int, rows: int, noise: float, by_class: bool) -> None:
    random, digits = np.random.default_rng(0), load_digits()
    canvas = np.zeros((rows * 32, columns * 32))
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        of_class = np.flatnonzero(digits.target == (row if by_class else index % 10))
        tile = Image.fromarray((digits.images[of_class[column]] * 15.9).astype(np.uint8)).resize((32, 32))
        canvas[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] = np.asarray(tile)
    canvas = (1 - noise) * canvas + noise * random.uniform(0, 255, canvas.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas.astype(np.uint8)).save(path)


def floor_rows(seed: int, inception: bool) -> Rows:
    random = np.random.default_rng(seed)
    at = {
        "step": 0,
        "images": 0,
        "seconds": 0.0,
        "fraction": 1.0,
        "num_samples": N,
        "weights": "raw",
        "reference": "test",
    }
    begin = {
        "row": "begin",
        "run": f"real-seed{seed}-ffff0000",
        "variant": "real",
        "seed": seed,
        "data": "mnist",
        "preset": "quick",
        "title": "real images",
    }
    own = measured(random, 0.0, conditional=False) | {"fid": random.normal(4, 0.1), "kid": random.normal(0, 1e-4)}
    rows = [begin, {"row": "metrics", **at, "extractor": "mnist-cnn", "values": own}]
    if inception:
        rows.append({"row": "metrics", **at, "extractor": "inception", "values": {"fid": 9.0, "is": 2.4, "kid": 1e-4}})
    return [*rows, {"row": "end", "status": "ok", "message": "", "steps": 0, "images": 0, "seconds": 0.0}]


def write_cell(folder: Path, name: str, rows: Iterable[dict[str, Any]]) -> None:
    path = folder / "records" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Makes a results folder: ``make_folder(variants, seeds, statuses={("dcgan", 1): "diverged"}, **manifest)``."""

    def make(
        variants: Iterable[str] = tuple(TITLES),
        seeds: int = 3,
        statuses: dict[tuple[str, int], str] | None = None,
        inception: bool = True,
        **changed: Any,
    ) -> Path:
        folder, names, variants = tmp_path_factory.mktemp("results"), [], list(variants)
        for variant in variants:
            for seed in range(seeds):
                names.append(f"{variant}-seed{seed}-0a1b2c3d")
                status = (statuses or {}).get((variant, seed), "ok")
                write_cell(folder, names[-1], cell_rows(folder, variant, seed, status, inception))
        for seed in range(seeds):
            names.append(f"real-seed{seed}-ffff0000")
            write_cell(folder, names[-1], floor_rows(seed, inception))
        extractors = {"mnist-cnn": {"digest": "ab" * 32, "accuracy": 0.9931}}
        notices = [] if inception else ["inception left out: its weights are not here"]
        facts = {"seeds": list(range(seeds)), "notices": notices, "variants": variants, "runs": names}
        facts |= {
            "overrides": {"dcgan": OVERRIDES},
            "extractors": extractors | ({"inception": {}} if inception else {}),
        }
        manifest = json.loads(MANIFEST) | facts
        manifest["data"]["fingerprint"] = "cd" * 32
        manifest |= changed
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make


@pytest.fixture(scope="session")
def mixed_folder(make_folder: MakeFolder) -> Path:
    """One variant that ends well, one diverged seed, one collapsed seed, one seed cut short, one variant all failed."""
    statuses = {("dcgan", 1): "diverged", ("cgan", 0): "collapsed", ("lsgan_linear", 2): "unfinished"}
    statuses |= {("wgan_weight_clipping", seed): "diverged" for seed in range(3)}
    return make_folder([name for name in TITLES if name != "lsgan"], statuses=statuses, inception=False)
