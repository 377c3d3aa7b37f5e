"""The page in which trained generators run: one HTML file without network access."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import ChoiceLoader, PackageLoader

from gan_zoo import text
from gan_zoo.bench.artifacts import read_sheet
from gan_zoo.bench.folder import read_manifest
from gan_zoo.bench.records import Row
from gan_zoo.errors import GanZooError
from gan_zoo.explore.export import NotSupported, directions, export
from gan_zoo.io import atomic_write
from gan_zoo.report.context import environment
from gan_zoo.studies.trained import Trained

LARGEST = 10_000_000
"""Bytes of a generator in the page, at most; float16 in base64 takes 2.7 bytes a parameter."""
_NUM_SAMPLES = 1_000
"""Samples that the directions of the map are estimated from."""


def write_page(trained: Sequence[Trained], path: Path) -> tuple[Path, list[str]]:
    """Write the page of these generators; returns its path, and a line for each that is left out.

    Raises:
        GanZooError: none of the generators can run in a page.
        StorageError: the path cannot be written.
    """
    generators: list[dict[str, Any]] = []
    left_out: list[str] = []
    for each, name in zip(trained, names(trained), strict=True):
        try:
            described = describe(each)
            _check_classes(described["class_names"], generators)
        except NotSupported as error:
            left_out.append(f"{name} is left out: {error}")
            continue
        generators.append({"name": name, **described})
    if not generators:
        raise GanZooError(f"no generator can run in a page: {left_out[0] if left_out else 'none is given'}")
    templates = environment(path.parent)
    templates.loader = ChoiceLoader([PackageLoader("gan_zoo.explore"), PackageLoader("gan_zoo.report")])
    page = {
        "heading": f"Explore {text.listed([each['name'] for each in generators])}",
        "facts": [*dict.fromkeys(each["data"] for each in generators), "the generators run in this page"],
        "note": "; ".join(left_out),
        "generators": generators,
        "panels": ["left", "right"][: len(generators)],
        "class_names": max((each["class_names"] for each in generators), key=len),
        "images": sorted({frame["images"] for each in generators for frame in each["frames"]}),
    }
    rendered = templates.get_template("explore.html.j2").render(page)
    atomic_write(path, "\n".join(map(text.visible, rendered.split("\n"))))
    return path, left_out


def _check_classes(class_names: Sequence[str], generators: Sequence[Mapping[str, Any]]) -> None:
    """Raise NotSupported for a conditional generator of other classes than those before: the page has one choice."""
    for each in generators:
        if class_names and each["class_names"] and class_names != each["class_names"]:
            raise NotSupported(f"its classes are not those of {each['name']}; write a page of its own")


def names(trained: Sequence[Trained]) -> list[str]:
    """A different name for each: that of its variant, with the seed and a number where it is not the only one."""
    variants = [each.name for each in trained]
    found = [each.name if variants.count(each.name) == 1 else f"{each.name}, seed {each.seed}" for each in trained]
    copies = [found[:place].count(name) + 1 for place, name in enumerate(found)]
    return [name if found.count(name) == 1 else f"{name} ({copy})" for name, copy in zip(found, copies, strict=True)]


def describe(trained: Trained) -> dict[str, Any]:
    """What the page needs of a generator, as JSON values.

    Raises:
        NotSupported: its samples are no images, a layer cannot run in the page, or it is too large.
    """
    if not trained.is_images:
        raise NotSupported("its samples are points, and the page shows images")
    sampler = trained.sampler
    exported = export(sampler.generator)
    network = exported.content()
    size = sum(len(network[kind]) for kind in ("kernels", "vectors"))
    if size > LARGEST:
        raise NotSupported(
            f"it takes {size / 1e6:.1f} MB in the page, more than {LARGEST / 1e6:.0f} MB; train it with a smaller width"
        )
    channels, height, width = trained.shape
    facts = read_manifest(trained.folder)["data"] if trained.folder else {}
    return {
        "title": trained.variant.title,
        "data": facts.get("title", trained.data_name),
        "seed": trained.seed,
        "latent": str(trained.variant.latent),
        "parts": [vars(part) for part in trained.variant.latent.parts],
        "channels": channels,
        "height": height,
        "width": width,
        "class_names": _class_names(facts, trained.classes) if sampler.conditional else [],
        "parameters": text.short_count(len(exported.kernels) + len(exported.vectors)),
        "size": f"{size / 1e6:.1f} MB",
        "network": network,
        "directions": _directions(trained),
        "frames": list(_frames(trained)),
    }


def _class_names(facts: Mapping[str, Any], classes: int) -> list[str]:
    stored = facts.get("class_names") or []
    return list(stored) if len(stored) == classes else [str(label) for label in range(classes)]


def _directions(trained: Trained) -> list[list[float]]:
    """The directions of the map, to four decimals."""
    parts = trained.variant.latent.parts
    latents, *labels = trained.sampler.draw(_NUM_SAMPLES)
    samples = trained.sampler.generate(latents, *labels).float().cpu()
    # Between two categories lies none.
    fixed = torch.cat([torch.full((part.size,), part.distribution == "categorical") for part in parts])
    found = directions(latents.cpu(), samples, fixed)
    return [[round(value, 4) for value in direction] for direction in found.tolist()]


def _frames(trained: Trained) -> Iterable[dict[str, Any]]:
    """The recorded samples of the same latents at each evaluation, in the order of training."""
    if trained.record is None or trained.folder is None:
        return
    rows: dict[int, Row] = {row["images"]: row for row in trained.record.samples if row["kind"] == "grid"}
    for images in sorted(rows):
        sheet = read_sheet(trained.folder, rows[images])
        if sheet is None:
            continue
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", lossless=True, exact=True)
        source = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        yield {"images": images, "source": source, "width": sheet.width, "height": sheet.height}
