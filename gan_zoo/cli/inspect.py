"""The variants and data sets in tables, and a variant in full: text alone, without torch and rich."""

import fnmatch
import itertools
import shutil
import textwrap
from collections.abc import Mapping, Sequence

from gan_zoo.cli.index import Record
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
_LABELS = {
    "none": ("-", "not used"),
    "generator": ("G", "to the generator"),
    "both": ("G, D", "to both networks"),
    "projection": ("G, proj", "to the generator; projected on the discriminator's features"),
}
"""Networks that get the labels, in a table and in words."""
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
    "packing": "samples in each input of the discriminator",
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


def matching(records: list[Record], pattern: str | None, kind: str = "variant") -> list[Record]:
    """The records whose name matches a pattern with ``*``, ``?`` and ``[]``; without a pattern, all.

    Raises:
        GanZooError: no name matches.
    """
    found = [record for record in records if pattern is None or fnmatch.fnmatchcase(record["name"], pattern)]
    if not found:
        names = ", ".join(record["name"] for record in records)
        raise GanZooError(
            f"--filter {pattern!r} matches no {kind}; use a pattern such as '{names[:1]}*'. Known: {names}"
        )
    return found


def variants_table(records: Sequence[Record], *, long: bool = False) -> str:
    """The variants as a table that fits the terminal, a line a variant from 80 characters on.

    ``long`` writes the words out, and adds latent, parameters, batch and paper.
    """
    if long:
        return _plain(list(map(_long_row, records)))
    return f"{_plain(list(map(_short_row, records)))}\n{_NOTES}"


def _long_row(record: Record) -> dict[str, str]:
    return {
        "name": record["name"],
        "title": record["title"],
        "loss": _loss(record),
        "networks": record["backbone"],
        "labels": record["conditioning"],
        "year": record["year"],
        "latent": record["latent"],
        "parameters": " + ".join(f"{count / 1e6:.2f}M" for count in record["parameters"].values()),
        "batch": str(record["batch_size"]),
        "paper": record["paper"],
    }


def _short_row(record: Record) -> dict[str, str]:
    loss = " + ".join(part.partition(", ")[0] for part in _loss(record).split(" + "))
    for words, fewer in _SHORTER.items():
        loss = loss.replace(words, fewer)
    return {
        "name": record["name"],
        "title": record["title"].partition(" (")[0],
        "loss": loss,
        "networks": record["backbone"].partition(",")[0],
        "labels": _LABELS[record["conditioning"]][0],
        "year": record["year"],
    }


def _loss(record: Record) -> str:
    return " + ".join([record["objective"], *record["penalties"]])


def variant_text(record: Record) -> str:
    """A variant in full: its paper, its parts, the settings that differ from the default, and its deviations."""
    year = f" ({record['year']})" if record["year"] else ""
    options = ", ".join(f"{name}={value}" for name, value in record["hyperparameters"].items())
    optimizers = {"G optimizer": record["generator_optimizer"], "D optimizer": record["discriminator_optimizer"]}
    if record["generator_optimizer"] == record["discriminator_optimizer"]:
        optimizers = {"optimizers": record["generator_optimizer"]}
    parts = {
        "paper": record["url"] or record["paper"],
        "loss": _loss(record),
        "labels": _LABELS[record["conditioning"]][1],
        "latent": record["latent"],
        "batch size": str(record["batch_size"]),
        **optimizers,
        "options": f"{options or 'none of its own'} (--set NAME=VALUE)",
    }
    lines = [f"{record['name']}: {record['title']}{year}", ""]
    for name, value in parts.items():
        lines += _wrapped(f"{name:<14}", value)
    shape = f"images of {record['side']}x{record['side']}, 1 channel, 10 classes"
    lines += ["", f"networks: {record['backbone']}; for {shape}:"]
    for player, layers in record["networks"].items():
        # A line breaks between layers, never within one.
        text = ", ".join(layer.replace(" ", _NO_BREAK) for layer in layers)
        found = _wrapped(f"  {player:<15}", f"{record['parameters'][player]:,} parameters: {text}")
        lines += [line.replace(_NO_BREAK, " ") for line in found]
    if record["settings"]:
        lines += ["", "settings other than the default:"]
        for name, value in record["settings"].items():
            lines += _wrapped("  ", f"{name} = {value}: {EXPLAINED[name]}", indent=4)
    lines += ["", "deviations from the paper:" if record["deviations"] else "deviations from the paper: none listed"]
    for deviation in record["deviations"]:
        lines += _wrapped("  - ", deviation)
    return "\n".join(lines)


def metrics_table(records: Sequence[Record]) -> str:
    """The metrics as a table."""
    keys = ("name", "title", "better", "range", "meaning")
    return _plain([{key: str(record[key]) for key in keys} for record in records])


def data_table(about: Mapping[str, str]) -> str:
    """The data sets as a table, and where their files come from."""
    note = (
        "`gan-zoo data NAME` downloads a data set if needed, and checks it; name a folder that holds it with "
        "GAN_ZOO_DATA or --data-root. `gan-zoo doctor` lists those on this machine."
    )
    table = _plain([{"data set": name, "": text} for name, text in about.items()])
    return "\n".join([table, "", *_wrapped("", note)])


def _plain(rows: Sequence[Mapping[str, str]]) -> str:
    """A table as lines of text that fit the terminal; nothing is left out, and no word is broken.

    The widest columns break their lines if needed. Without rich, which takes longer to import than a list to print.
    """
    gap, width = "  ", _width()
    columns = [[head, *(row[head] for row in rows)] for head in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    longest = [max(len(word) for value in column for word in value.split() or [""]) for column in columns]
    while sum(widths) + len(gap) * (len(widths) - 1) > width:
        wide = [place for place, least in enumerate(longest) if widths[place] > least]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    lines = []
    for row in zip(*columns, strict=True):
        pieces = [textwrap.wrap(value, size, break_on_hyphens=False) for value, size in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*pieces, fillvalue=""):
            padded = (piece.ljust(size) for piece, size in zip(line, widths, strict=True))
            lines.append(gap.join(padded).rstrip())
    return "\n".join(lines)


def _wrapped(head: str, text: str, indent: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        max(_width(), 40),
        initial_indent=head,
        subsequent_indent=" " * (len(head) if indent is None else indent),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _width() -> int:
    """Characters in a line of the terminal, 80 without one."""
    return shutil.get_terminal_size().columns
