"""Published results and ours, with the differences of the protocols; never part of a ranking."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from gan_zoo import text
from gan_zoo.bench.results import Entry, Results
from gan_zoo.options import FLOOR

METRIC = "fid"


@cache
def _published() -> dict[str, Any]:
    return tomllib.loads(files("gan_zoo.report").joinpath("published.toml").read_text(encoding="utf-8"))


def published_table(results: Results) -> dict[str, Any]:
    """The results of the study and ours: ``study``, ``rows``, ``differences``, ``extractor``, ``inception``.

    A row is text: ``variant``, ``study`` (its name there), ``published`` (mean and standard deviation), ``ours`` (mean
    and interval under our extractor), ``seeds``, ``inception`` (ours under Inception at the study's num_samples, or
    empty). ``differences`` are sentences made from the manifest. ``inception`` says whether any row has such a value.
    Without a variant or data set of the study there are no rows and no differences.
    """
    study = _published()["study"]
    data = results.manifest["data"]["name"]
    shared = []
    for entry in results.ranking:
        values = _published()["figures"].get(_registered(results, entry.variant), {})
        if entry.variant != FLOOR and data in values:
            shared.append((entry, values))
    rows = [_table_row(results, entry, values) for entry, values in shared]
    return {
        "study": f"{study['title']}, {study['paper']}",
        "extractor": results.extractor,
        "rows": rows,
        "differences": list(_differences(results, [entry.variant for entry, _ in shared])) if rows else [],
        "inception": any(row["inception"] for row in rows),
    }


def _registered(results: Results, variant: str) -> str:
    """The registered variant of an entry of the suite."""
    named = results.manifest.get("suite", {}).get("named", {})
    return str(named[variant]["variant"]) if variant in named else variant


def _table_row(results: Results, entry: Entry, values: dict[str, Any]) -> dict[str, str]:
    mean, deviation = values[results.manifest["data"]["name"]]
    study = _published()["study"]
    ours = results.lines(results.extractor).get((entry.variant, METRIC), {})
    inception = results.lines(study["extractor"]).get((entry.variant, METRIC), {})
    failed = f" ({text.share(entry.failures)} failed)" if entry.failures.count else ""
    return {
        "variant": entry.label,
        "study": values["title"],
        "published": f"{mean:.1f} ± {deviation:.1f}",
        "ours": _estimate(ours) or text.NOTHING,
        "seeds": f"{entry.value.seeds}{failed}",
        "inception": _estimate(inception) if inception.get("num_samples") == study["n"] else "",
    }


def _estimate(line: dict[str, Any]) -> str:
    return text.estimate(line["mean"], line["low"], line["high"]) if text.known(line.get("mean")) else ""


def _differences(results: Results, shared: list[str]) -> Iterator[str]:
    """The differences of the protocols, a sentence each; those that the manifest does not record are left out."""
    study, manifest = _published()["study"], results.manifest
    if results.extractor:
        yield (
            f"Features: Inception (gray images in three channels) there, {results.extractor} here. Extractors have "
            "different scales: the values are not comparable."
        )
    if manifest.get("num_samples") and manifest["num_samples"] != study["n"]:
        yield (
            f"num_samples: {text.count(study['n'])} there, {text.count(manifest['num_samples'])} here. "
            "The bias of FID is proportional to 1 / num_samples."
        )
    seeds = text.plural(len(manifest.get("seeds", [])), "seed")
    yield (
        f"Search: best of {study['settings']} random settings per method ({study['searched']}), {study['seeds']} "
        f"seeds, mean and standard deviation there; settings of the suite, {seeds}, geometric mean and 95% "
        "interval here."
    )
    yield from _training(results, shared)
    yield from _networks(results)
    yield from _options(results, shared)


def _training(results: Results, shared: list[str]) -> Iterator[str]:
    study = _published()["study"]
    budget = [f"{text.count(amount)} {unit}" for unit, amount in results.manifest.get("budget", {}).items()]
    runs = results.runs[results.runs["variant"].isin(shared)]
    batches = sorted(runs["batch_size"].dropna().unique())
    if budget:
        batch = f" at batch {text.listed([text.count(size) for size in batches])}" if batches else ""
        yield f"Budget: {study['epochs']} epochs at batch {study['batch_size']} there; {budget[0]}{batch} here."
    latents = sorted(set(runs["latent"]) - {"", study["latent"]})
    if latents:
        yield f"Latent: {study['latent']} there; {text.listed(latents)} here."


def _networks(results: Results) -> Iterator[str]:
    study, suite = _published()["study"], results.manifest.get("suite", {})
    preset = suite.get("presets", {}).get(results.manifest.get("preset", ""), {})
    backbone = preset.get("backbone") or suite.get("backbone")
    if isinstance(backbone, dict):
        backbone = ", ".join(str(value) if key == "name" else f"{key} {value}" for key, value in backbone.items())
    side = (results.manifest["data"].get("shape") or [None])[-1]
    sizes = f" on images of {study['side']} pixels a side" if side and side != study["side"] else ""
    ours = f" on images of {side}" if sizes else ""
    what = f"the backbone {backbone}" if backbone else "the networks of each variant"
    yield f"Networks: {study['network']}{sizes} there; {what}{ours} here."


def _options(results: Results, shared: list[str]) -> Iterator[str]:
    """The options of suite variants that override a registered variant."""
    named = results.manifest.get("suite", {}).get("named", {})
    for variant in shared:
        options = named.get(variant, {}).get("options", {})
        if options:
            changed = ", ".join(f"{key} = {value}" for key, value in options.items())
            yield f"Options: {variant} is {named[variant]['variant']} with {changed}."
