"""Published results and ours, with the differences of the protocols; never part of a ranking."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.report.tables import Table

_PUBLISHED = tomllib.loads(files("gan_zoo.report").joinpath("published.toml").read_text(encoding="utf-8"))
_STUDY = _PUBLISHED["study"]


def published(results: Results) -> dict[str, Any]:
    """The results of the study and ours: ``study``, ``table`` and ``differences``.

    The table has a row for each variant whose objective is in the study: its name there, the mean and standard
    deviation published, our mean and interval under the default extractor, and that under Inception, if any variant has
    one at the study's num_samples. The differences are sentences made from the manifest. Without a variant or data set
    of the study there are neither rows nor differences.
    """
    data = results.manifest["data"]["name"]
    named = results.manifest.get("suite", {}).get("named", {})
    registered = {name: settings["variant"] for name, settings in named.items()}
    found = []
    for entry in results.entries:
        values = _PUBLISHED["figures"].get(registered.get(entry.variant, entry.variant), {})
        if data in values:
            found.append((entry, values))
    inception = [_fid(results, entry, _STUDY["extractor"], _STUDY["num_samples"]) for entry, _ in found]
    columns = {
        "variant": [entry.variant for entry, _ in found],
        "theirs": [values["title"] for _, values in found],
        "FID there (Inception)": ["{:.1f} ± {:.1f}".format(*values[data]) for _, values in found],
        f"FID here ({results.extractor})": [
            _fid(results, entry, results.extractor) or text.NOTHING for entry, _ in found
        ],
        **({"FID here (Inception)": inception} if any(inception) else {}),
        "seeds here": [
            f"{entry.value.seeds}{f' ({text.share(entry.failures)} failed)' if entry.failures.count else ''}"
            for entry, _ in found
        ],
    }
    variants = [entry.variant for entry, _ in found]
    return {
        "study": f"{_STUDY['title']}, {_STUDY['paper']}",
        "table": Table.of(columns),
        "differences": [*_protocol(results), *_training(results, variants)] if found else [],
    }


def _fid(results: Results, entry: Entry, extractor: str, num_samples: int | None = None) -> str:
    """Our mean and interval; empty if it was not measured, or from another number of samples."""
    line = results.lines(extractor).get((entry.variant, "fid"), {})
    if not text.known(line.get("mean")) or (num_samples and line["num_samples"] != num_samples):
        return ""
    return text.estimate(line["mean"], line["low"], line["high"])


def _protocol(results: Results) -> Iterator[str]:
    """How the protocols differ, a sentence each; what the manifest does not record is left out."""
    manifest = results.manifest
    if results.extractor:
        yield (
            f"Features: Inception (gray images in three channels) there, {results.extractor} here. Extractors have "
            "different scales: the values are not comparable."
        )
    count = manifest.get("num_samples")
    if count and count != _STUDY["num_samples"]:
        yield (
            f"num_samples: {text.count(_STUDY['num_samples'])} there, {text.count(count)} here. "
            "The bias of FID is proportional to 1 / num_samples."
        )
    seeds = text.plural(len(manifest.get("seeds", [])), "seed")
    yield (
        f"Search: best of {_STUDY['settings']} random settings per method ({_STUDY['searched']}), {_STUDY['seeds']} "
        f"seeds, mean and standard deviation there; settings of the suite, {seeds}, geometric mean and 95% "
        "interval here."
    )


def _training(results: Results, variants: list[str]) -> Iterator[str]:
    """How budget, latents, networks and options differ, a sentence each."""
    manifest = results.manifest
    suite = manifest.get("suite", {})
    runs = results.runs[results.runs["variant"].isin(variants)]
    budget = [f"{text.count(amount)} {unit}" for unit, amount in manifest.get("budget", {}).items()]
    batches = text.listed([text.count(size) for size in sorted(runs["batch_size"].dropna().unique())])
    if budget:
        batch = f" at batch {batches}" if batches else ""
        yield f"Budget: {_STUDY['epochs']} epochs at batch {_STUDY['batch_size']} there; {budget[0]}{batch} here."
    latents = sorted(set(runs["latent"]) - {"", _STUDY["latent"]})
    if latents:
        yield f"Latent: {_STUDY['latent']} there; {text.listed(latents)} here."
    preset = suite.get("presets", {}).get(manifest.get("preset", ""), {})
    backbone = preset.get("backbone") or suite.get("backbone")
    if isinstance(backbone, dict):
        backbone = ", ".join(str(value) if key == "name" else f"{key} {value}" for key, value in backbone.items())
    networks = f"the backbone {backbone}" if backbone else "the networks of each variant"
    side = (manifest["data"].get("shape") or [None])[-1]
    if side and side != _STUDY["side"]:
        theirs = f"{_STUDY['network']} on images of {_STUDY['side']} pixels a side"
        yield f"Networks: {theirs} there; {networks} on images of {side} here."
    else:
        yield f"Networks: {_STUDY['network']} there; {networks} here."
    for variant in variants:
        settings = suite.get("named", {}).get(variant, {})
        changed = ", ".join(f"{key} = {value}" for key, value in settings.get("options", {}).items())
        if changed:
            yield f"Options: {variant} is {settings['variant']} with {changed}."
