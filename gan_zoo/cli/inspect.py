"""The variants and data sets in tables, and a variant in full: text alone, without torch and rich."""

import fnmatch
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from gan_zoo.cli.index import Record
from gan_zoo.cli.table import Columns, plain
from gan_zoo.errors import GanZooError

_SHORTER = {
    "non-saturating cross-entropy + ": "non-sat. + ",
    "non-saturating cross-entropy": "non-saturating",
    "minimax cross-entropy": "minimax",
    "cross-entropy with noisy targets": "noisy targets",
    "least squares on the probability": "least sq. of sigmoid",
    "least squares on the raw score": "least squares",
    "relativistic pairs + ": "rel. pairs + ",
    "energy with": "energy,",
    "mutual information": "info",
    "gradient penalty": "GP",
    " penalty": "",
}
_NO_BREAK = "\N{NO-BREAK SPACE}"
_LABELS = {"none": "-", "generator": "G", "both": "G, D", "projection": "G, proj"}
EXPLAINED = {
    "heads": "further outputs of the discriminator",
    "autoencoder": "the discriminator is an autoencoder, its score the mean of its errors to this power",
    "norm": "normalization in the discriminator",
    "generator_norm": "normalization in the generator",
    "shared_step_count": "one count of optimizer steps for both players, as with one Adam object in Keras 2",
    "generator_trains": "parameters that the generator's optimizer steps",
    "discriminator_trains": "parameters that the discriminator's optimizer steps",
    "discriminator_steps": "discriminator steps in each iteration",
    "generator_steps": "generator steps in each iteration",
    "fake_batch_size": "fakes in a discriminator step",
    "generator_batch_size": "new fakes in a generator step, which otherwise uses the discriminator's again",
    "sampling": "how real samples are drawn",
    "packing": "samples that the discriminator judges together",
    "concat_real_fake": "real and fake samples pass through the discriminator as one batch",
    "fakes_in_eval": "the discriminator's fakes are made by the generator in evaluation mode",
    "after_discriminator_step": "called after each discriminator step",
    "initialization": "initialization of the weights",
    "ema": "decay of the moving average of the generator's weights, from which samples are drawn",
}
"""What the settings of a variant mean that ``show`` lists if they differ from the default."""
_NOTES = """
labels: networks that get them; proj: projected on the discriminator's features
`gan-zoo show NAME` shows a variant in full; --long writes the words out"""


def matching(records: list[Record], pattern: str | None) -> list[Record]:
    """The records whose name matches a pattern with ``*``, ``?`` and ``[]``; without a pattern, all.

    Raises:
        GanZooError: no name matches.
    """
    found = [record for record in records if pattern is None or fnmatch.fnmatchcase(record["name"], pattern)]
    if not found:
        names = ", ".join(record["name"] for record in records)
        raise GanZooError(f"--filter {pattern!r} matches no variant; use a pattern such as 'wgan*'. Known: {names}")
    return found


def listed(records: Sequence[Record], width: int, *, long: bool = False) -> str:
    """The variants as a table of lines that fit into ``width``, one a variant from 80 characters on.

    Args:
        records: the variants.
        width: characters of a line.
        long: whether the words are written out, with latent, parameters, batch and paper.
    """
    columns: Columns = {
        "name": [record["name"] for record in records],
        "title": [record["title"] if long else record["title"].partition(" (")[0] for record in records],
        "loss": [_loss(record) if long else _shorter(_loss(record)) for record in records],
        "networks": [record["backbone"] if long else record["backbone"].partition(",")[0] for record in records],
        "labels": [record["conditioning"] if long else _LABELS[record["conditioning"]] for record in records],
        "year": [record["year"] for record in records],
    }
    if long:
        columns |= {
            "latent": [record["latent"] for record in records],
            "parameters": [" + ".join(map(_millions, record["parameters"].values())) for record in records],
            "batch": [str(record["batch_size"]) for record in records],
            "paper": [record["paper"] for record in records],
        }
    return plain(columns, width) + ("" if long else f"\n{_NOTES}")


def _loss(record: Record) -> str:
    return " + ".join([record["objective"], *record["penalties"]])


def _shorter(loss: str) -> str:
    loss = " + ".join(part.partition(", ")[0] for part in loss.split(" + "))
    for words, fewer in _SHORTER.items():
        loss = loss.replace(words, fewer)
    return loss


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f}M"


def shown(record: Record, width: int) -> str:
    """A variant in full: its paper, its parts, the settings that differ from the default, and its deviations."""
    year = f" ({record['year']})" if record["year"] else ""
    lines = [f"{record['name']}: {record['title']}{year}", ""]
    for name, value in _parts(record):
        lines += _wrapped(f"{name:<14}", value, width)
    shape = f"images of {record['side']}x{record['side']}, 1 channel, 10 classes"
    lines += ["", f"networks: {record['backbone']}; for {shape}:"]
    for player, layers in record["networks"].items():
        # A line breaks between layers, never within one.
        text = ", ".join(layer.replace(" ", _NO_BREAK) for layer in layers)
        found = _wrapped(f"  {player:<15}", f"{record['parameters'][player]:,} parameters: {text}", width)
        lines += (line.replace(_NO_BREAK, " ") for line in found)
    if record["settings"]:
        lines += ["", "settings other than the default:"]
        for name, value in record["settings"].items():
            lines += _wrapped("  ", f"{name} = {value}: {EXPLAINED[name]}", width, indent=4)
    lines += ["", "deviations from the paper:" if record["deviations"] else "deviations from the paper: none listed"]
    for deviation in record["deviations"]:
        lines += _wrapped("  - ", deviation, width)
    return "\n".join(lines)


def data_sets(about: Mapping[str, str], width: int) -> str:
    """The data sets as a table, and where their files come from."""
    lines = [plain({"data set": [*about], "": [*about.values()]}, width), ""]
    note = (
        "`gan-zoo data NAME` downloads a data set if needed, and checks it; name a folder that holds it with "
        "GAN_ZOO_DATA or --data-root. `gan-zoo doctor` lists those on this machine."
    )
    return "\n".join(lines + _wrapped("", note, width))


def _parts(record: Record) -> Iterator[tuple[str, str]]:
    yield "paper", record["url"] or record["paper"]
    yield "loss", _loss(record)
    yield (
        "labels",
        {"none": "not used", "generator": "to the generator", "both": "to both networks"}.get(
            record["conditioning"], "to the generator; projected on the discriminator's features"
        ),
    )
    yield "latent", record["latent"]
    yield "batch size", str(record["batch_size"])
    optimizers = record["generator_optimizer"], record["discriminator_optimizer"]
    if optimizers[0] == optimizers[1]:
        yield "optimizers", optimizers[0]
    else:
        yield from zip(("G optimizer", "D optimizer"), optimizers, strict=True)
    options = ", ".join(f"{name}={value}" for name, value in record["hyperparameters"].items())
    yield "options", f"{options or 'none of its own'} (--set NAME=VALUE)"


def _wrapped(head: str, text: str, width: int, indent: int | None = None) -> list[str]:
    below = " " * (len(head) if indent is None else indent)
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=head,
        subsequent_indent=below,
        break_on_hyphens=False,
        break_long_words=False,
    )
