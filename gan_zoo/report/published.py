"""Published figures beside ours, with what differs between the two protocols in words; never part of a ranking."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from gan_zoo import text
from gan_zoo.bench.summary import FLOOR
from gan_zoo.bench.tables import Results, own_extractor
from gan_zoo.report.findings import Entry, rank, summary_lines

METRIC = "fid"


@cache
def _published() -> dict[str, Any]:
    return tomllib.loads(files("gan_zoo.report").joinpath("published.toml").read_text(encoding="utf-8"))


def published_table(results: Results) -> dict[str, Any]:
    """The study's figures beside ours: ``study``, ``rows``, ``differences``, ``extractor``, ``inception``.

    A row is text: ``variant``, ``study`` (its name there), ``published`` (mean and standard deviation), ``ours`` (mean
    and interval under our extractor, or why there is none), ``seeds``, ``inception`` (ours under Inception at the
    study's N, or empty). ``differences`` are sentences made from the manifest. ``inception`` tells whether any row has
    such a value. No rows, and no differences, for data that the study does not have and where no variant of the run
    has an objective of the study.
    """
    study, own = _published()["study"], own_extractor(results.manifest)
    shared = list(_shared(results))
    rows = [_row(results, entry, figures, own) for entry, figures in shared]
    return {
        "study": f"{study['title']}, {study['paper']}", "extractor": own, "rows": rows,
        "differences": list(_differences(results, [entry.variant for entry, _ in shared])) if rows else [],
        "inception": any(row["inception"] for row in rows),
    }  # fmt: skip


def _shared(results: Results) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """Variants of the run whose registered variant the study has on this data, in the ranking's order."""
    data = results.manifest["data"]["name"]  # of what was measured, not of what was asked for
    for entry in rank(results):
        figures = _published()["figures"].get(_registered(results, entry.variant))
        if entry.variant != FLOOR and figures and data in figures:
            yield entry, figures


def _registered(results: Results, variant: str) -> str:
    """The registered variant that an entry of the suite is made of."""
    named = results.manifest.get("suite", {}).get("named", {})
    return str(named[variant]["variant"]) if variant in named else variant


def _row(results: Results, entry: Entry, figures: dict[str, Any], own: str) -> dict[str, str]:
    mean, deviation = figures[results.manifest["data"]["name"]]
    study, line = _published()["study"], summary_lines(results, own).get((entry.variant, METRIC), {})
    theirs = summary_lines(results, study["extractor"]).get((entry.variant, METRIC), {})
    failed = f" ({text.share(entry.failures)} failed)" if entry.failures.count else ""
    return {
        "variant": entry.label, "study": figures["title"], "published": f"{mean:.1f} ± {deviation:.1f}",
        "ours": _estimate(line) or text.NOTHING,
        "seeds": f"{entry.seeds}{failed}",
        "inception": _estimate(theirs) if theirs.get("n") == study["n"] else "",
    }  # fmt: skip


def _estimate(line: dict[str, Any]) -> str:
    if not text.known(line.get("mean")):
        return ""
    return text.estimate(line["mean"], line["low"], line["high"])


def _differences(results: Results, shared: list[str]) -> Iterator[str]:
    """What differs, a sentence each; what the manifest does not tell is left out."""
    study, manifest, own = _published()["study"], results.manifest, own_extractor(results.manifest)
    if own:
        yield (f"Features: theirs are Inception's, of grey images repeated in three channels; ours are {own}'s. Each "
               "extractor has a scale of its own, so the sizes of the two columns cannot be compared.")  # fmt: skip
    if manifest.get("n") and manifest["n"] != study["n"]:
        yield (f"Samples: they measured {text.count(study['n'])} fakes against {text.count(study['n'])} test images, "
               f"we {text.count(manifest['n'])} against as many: FID is biased upwards by an amount that grows as "
               "1/N.")  # fmt: skip
    seeds = text.plural(len(manifest.get("seeds", [])), "seed")
    yield (f"Search: theirs is the best of {study['settings']} random settings of each method ({study['searched']}), "
           f"run again with {study['seeds']} seeds (mean and standard deviation); ours are the settings that the "
           f"suite names, with {seeds} (geometric mean and 95% interval of it).")  # fmt: skip
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
    what = f"the backbone {backbone}" if backbone else "each variant's own networks"
    yield f"Networks: {study['network']}{sizes} there; {what}{ours} here."


def _options(results: Results, shared: list[str]) -> Iterator[str]:
    """Entries that the suite made of a registered variant differ from the published method by their options too."""
    named = results.manifest.get("suite", {}).get("named", {})
    for variant in shared:
        options = named.get(variant, {}).get("options", {})
        if options:
            changed = ", ".join(f"{key} = {value}" for key, value in options.items())
            yield f"Options: {variant} is {named[variant]['variant']} with {changed}."
