"""What `gan-zoo list` and `gan-zoo show` print about a variant, from the registry.

Run as ``python -m gan_zoo.cli.facts`` (``make index``), it writes the index of this package's variants and data sets,
and the tables of README and docs that follow from the code.
"""

import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from gan_zoo import data as data_sets
from gan_zoo import latent, losses, overrides, registry
from gan_zoo import networks as families
from gan_zoo.cli.index import Record
from gan_zoo.errors import GanZooError, one_line
from gan_zoo.io import atomic_write
from gan_zoo.losses import penalties
from gan_zoo.metrics.registry import METRICS
from gan_zoo.optimizer import Optimizer
from gan_zoo.variant import GROUPS, Networks, Variant
from gan_zoo.variants import INDEX

OWN_KEYS = (
    *("title", "paper", "networks", "objective", "penalties", "latent", "conditioning", "batch_size", "image_side"),
    *("generator_optimizer", "discriminator_optimizer", "deviations", "group", "name", "options", "label"),
)
"""Fields of a variant that a record has by name; of the others it has those that differ from the default."""
README = INDEX.parents[2] / "README.md"
METRICS_PAGE = README.parent / "docs" / "metrics.md"
VARIANTS_PAGE = README.parent / "docs" / "variants.md"
FINDINGS_PAGE = README.parent / "docs" / "findings.md"
RESULTS_PAGE = README.parent / "results" / "README.md"


def record(name: str) -> Record:
    """A variant as JSON, its networks for grey images and ten classes.

    Raises:
        GanZooError: the variant or its networks cannot be made.
    """
    variant = registry.get(name)
    networks = _build(variant)._asdict()
    changed = {
        field.name: getattr(variant, field.name)
        for field in fields(variant)
        if field.name not in OWN_KEYS and getattr(variant, field.name) != field.default
    }
    arxiv = re.search(r"\b(\d\d)\d\d\.\d{4,5}\b", variant.paper)
    year = f"20{arxiv[1]}" if arxiv else next(iter(re.findall(r"\b(?:19|20)\d\d\b", variant.paper)), "")
    return {
        "name": name,
        "title": variant.title,
        "paper": variant.paper,
        "url": f"https://arxiv.org/abs/{arxiv[0]}" if arxiv else "",
        "year": year,
        "group": variant.group,
        "objective": variant.objective.title,
        "penalties": [penalty.title for penalty in variant.penalties],
        "backbone": families.describe(variant.networks),
        "conditioning": variant.conditioning,
        "latent": str(variant.latent),
        "side": variant.image_side,
        "batch_size": variant.batch_size,
        "generator_optimizer": _words(variant.generator_optimizer),
        "discriminator_optimizer": _words(variant.discriminator_optimizer),
        "parameters": {key: sum(p.numel() for p in network.parameters()) for key, network in networks.items()},
        "networks": {key: list(_merged(_layers(network))) for key, network in networks.items()},
        "hyperparameters": registry.hyperparameters(name),
        "settings": {name: _words(value) for name, value in changed.items()},
        "deviations": list(variant.deviations),
    }


def ordered(records: Iterable[Record]) -> list[Record]:
    """Records by group, and within a group by year, paper and name."""
    places = {group: place for place, group in enumerate(GROUPS)}
    keys = ("group", "year", "paper", "name")
    return sorted(
        records, key=lambda record: (places.get(record["group"], len(places)), *(record[key] for key in keys))
    )


def _words(value: Any) -> str:
    """A setting as it is written in Python, without what every reader knows."""
    if isinstance(value, Optimizer):
        return ", ".join([value.name, *(f"{key} {inner}" for key, inner in value.settings.items())])
    if isinstance(value, tuple):
        return ", ".join(map(_words, value))
    if callable(value) and not is_dataclass(value):
        return str(getattr(value, "__qualname__", type(value).__name__))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _build(variant: Variant) -> Networks:
    """Networks for grey images and ten classes, or a GanZooError."""
    try:
        return variant.build((1, variant.image_side, variant.image_side), 10)
    except (GanZooError, KeyboardInterrupt):
        raise
    except BaseException as error:
        files = ", ".join(map(str, registry.sources(variant.name)))
        message = f"the networks of variant {variant.name!r} ({files}) cannot be made: {one_line(error)}"
        raise GanZooError(message) from error


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network: those of torch but for changes of shape, and blocks of several layers as one."""
    for child in network.children():
        if isinstance(child, (nn.Flatten, nn.Unflatten, nn.ZeroPad2d)):
            continue
        if isinstance(child, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
            yield from _layers(child)
        else:
            inner = list(_layers(child))
            is_layer = type(child).__module__.startswith(("torch.nn.modules", "torch.nn.utils"))
            is_alone = not inner and any(True for _ in child.parameters())
            yield from [child] if is_layer or is_alone or len(inner) > 1 else inner


def _merged(layers: Iterable[nn.Module]) -> Iterator[str]:
    """Layers as text: ``Conv2d(1, 64, 3, stride=2)``; equal ones in a row as ``2 x Block``."""
    for _, same in itertools.groupby(layers, key=repr):
        layer, *others = same
        yield f"{len(others) + 1} x {_layer(layer)}" if others else _layer(layer)


def _layer(layer: nn.Module) -> str:
    text = type(layer).__name__.removeprefix("Parametrized")
    if isinstance(layer, nn.Linear):
        text += f"({layer.in_features}, {layer.out_features})"
    elif isinstance(layer, nn.Embedding):
        text += f"({layer.num_embeddings}, {layer.embedding_dim})"
    elif isinstance(layer, nn.modules.conv._ConvNd):
        stride = f", stride={layer.stride[0]}" if layer.stride[0] != 1 else ""
        text += f"({layer.in_channels}, {layer.out_channels}, {layer.kernel_size[0]}{stride})"
    return f"{text} with spectral norm" if parametrize.is_parametrized(layer) else text


def index() -> dict[str, Any]:
    """The index of this package's variants and data sets."""
    own = [name for name in registry.names() if registry.is_own(name)]
    return {
        "variants": ordered(map(record, own)),
        "options": overrides.known(),
        "data": data_sets.descriptions(),
    }


def readme_table(records: Sequence[Record]) -> str:
    """The table of the variants in Markdown, a heading a group."""
    lines = ["| name | title | loss | networks | labels | paper |", "|---|---|---|---|---|---|"]
    for group, members in itertools.groupby(records, key=lambda record: record["group"]):
        lines.append(f"| **{group[0].upper()}{group[1:]}** | | | | | |")
        for record in members:
            loss = " + ".join([record["objective"], *record["penalties"]])
            paper = f"[{record['year']}]({record['url']})" if record["url"] else record["paper"]
            row = (f"`{record['name']}`", record["title"], loss, record["backbone"], record["conditioning"], paper)
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def metrics_table() -> str:
    """The table of the metrics in Markdown."""
    lines = ["| metric | range | meaning | limitations | source |", "|---|---|---|---|---|"]
    for metric in METRICS.values():
        name = f"{metric.title} {metric.arrow} (`{metric.name}`)"
        lines.append(f"| {name} | {metric.range} | {metric.meaning} | {metric.limitations} | {metric.source} |")
    return "\n".join(lines)


def building_blocks() -> str:
    """The losses, penalties and latents that a variant is made of, in Markdown: how each is imported and called."""
    lines = ["| module | call | meaning |", "|---|---|---|"]
    for module, result in ((losses, "Objective"), (penalties, "Penalty"), (latent, "Latent")):
        for name, function in vars(module).items():
            is_own = inspect.isfunction(function) and not name.startswith("_") and name != "parse"
            if is_own and getattr(function.__annotations__.get("return"), "__name__", "") == result:
                lines.append(f"| `{module.__name__}` | `{name}{_call(function)}` | {_meaning(function)} |")
    return "\n".join(lines)


def backbones_table() -> str:
    """The backbones by the name that a setting gives them, in Markdown."""
    lines = ["| backbone | networks | sizes |", "|---|---|---|"]
    for name, family in families.BACKBONES.items():
        sizes = [f"`{parameter}`" for parameter in list(inspect.signature(family).parameters)[1:]]
        lines.append(f"| `{name}` | {_meaning(family)} | {', '.join(sizes)} |")
    return "\n".join(lines)


def findings_table() -> str:
    """The index of the shipped results, as `gan-zoo report results --index` wrote it, with links for a page of docs."""
    page = RESULTS_PAGE.read_text(encoding="utf-8")
    table = page.split("<!-- index:begin -->\n")[1].split("\n<!-- index:end -->")[0]
    return re.sub(r'((?<!\\)\]\(|<img src=")', r"\1../results/", table)


def _call(function: Callable[..., Any]) -> str:
    """The parameters of a function and their defaults, without types."""
    signature = inspect.signature(function)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(plain))


def _meaning(function: Callable[..., Any]) -> str:
    """The first line of a docstring, for a cell in Markdown."""
    first = (function.__doc__ or "").partition("\n")[0]
    return first.replace("``", "`").replace("|", r"\|")


def with_table(page: str, name: str, table: str) -> str:
    """A page in Markdown with the table between the markers of this name."""
    begin, end = (f"<!-- {name}:{place} -->" for place in ("begin", "end"))
    before, rest = page.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def write() -> None:
    """Write the index, and the tables of README and docs."""
    content = index()
    atomic_write(INDEX, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for page, name, table in (
        (README, "variants", readme_table(content["variants"])),
        (METRICS_PAGE, "metrics", metrics_table()),
        (VARIANTS_PAGE, "backbones", backbones_table()),
        (VARIANTS_PAGE, "building_blocks", building_blocks()),
        (FINDINGS_PAGE, "findings", findings_table()),
    ):
        atomic_write(page, with_table(page.read_text(encoding="utf-8"), name, table))


if __name__ == "__main__":
    write()
