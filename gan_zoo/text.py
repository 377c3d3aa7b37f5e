"""Text of tables and messages: numbers with three significant digits, lists of names, Markdown."""

import math
import re
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

# scipy takes a second to import, and the progress of a suite needs number formats alone.
if TYPE_CHECKING:
    from gan_zoo.statistics import Proportion

_LONG = 40  # characters of a value in a message
NOTHING = "\N{EN DASH}"  # an empty cell of a table
# Control characters, also those of C1, line separators, characters without width, changes of the writing direction,
# halves of surrogate pairs.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*_|<>~]|&(?=[\w#])|\](?=[(\[:])|^[-+#]+(?=\s)")
"""What has a meaning in Markdown; of brackets, those of links and of their definitions."""


_LATEX = {
    **{character: f"\\{character}" for character in "{}$&#_%"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "½": r"$\frac{1}{2}$",
    "†": r"$\dagger$",
    NOTHING: "--",
    "<": "$<$",
}


def known(value: Any) -> bool:
    """Whether a value is not missing, and finite."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value)) and str(value) != "<NA>"


def number(value: Any) -> str:
    """Three significant digits, but no more than five decimals: 0.0123, 1.20, 54.8, 1,234, 0.00002.

    Integers from 100 on are written in full, from ten million on as 7.68e10.
    """
    if not known(value):
        return NOTHING
    value = float(value)
    if value == 0:
        return "0"
    if 5e-6 <= abs(value) < 0.001:
        return f"{value:.5f}"
    if abs(value) >= 1e7:
        return f"{value:.2e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def interval(low: float | None, high: float | None) -> str:
    """``[48.1, 75.8]``; empty without an interval."""
    return f"[{number(low)}, {number(high)}]" if known(low) and known(high) else ""


def estimate(mean: float, low: float, high: float) -> str:
    """``60.4 [48.1, 75.8]``."""
    return f"{number(mean)} {interval(low, high)}".strip()


def share(proportion: "Proportion") -> str:
    """``1 of 5``."""
    return f"{proportion.count} of {proportion.of}"


def percent(low: float | None, high: float | None) -> str:
    """The interval of a share: ``[1%, 72%]``; empty without an interval."""
    return f"[{low:.0%}, {high:.0%}]" if known(low) and known(high) else ""


def probability(p: Any) -> str:
    """A p-value: ``0.032``, ``< 0.001``."""
    if not known(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(value: Any) -> str:
    """A whole number with thousands separators: 256,000."""
    return f"{int(value):,}" if known(value) else NOTHING


def short_count(number: float) -> str:
    """A large number in three digits: ``147k``, ``1.76M``."""
    return f"{number / 1e6:.3g}M" if number >= 999_500 else f"{number / 1e3:.3g}k"


def duration(seconds: Any) -> str:
    """``48 s``, ``13.5 min`` or ``2.3 h``."""
    if not known(seconds):
        return NOTHING
    seconds = float(seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def plural(number: int, word: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def short(value: Any) -> str:
    """A value in a message: at most 40 characters, and three dots; ``none`` for None."""
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def status(name: Any) -> str:
    """A status of a run in words: ``out of memory``."""
    return str(name).replace("_", " ")


def visible(value: object) -> str:
    """One line in which control characters are written as escapes: they would change a terminal. ``\\x1b[31m``."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


def markdown(value: object) -> str:
    """Text that Markdown shows as it is, in a table cell too: no HTML, no link."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(" ".join(str(value).split())))


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]], left: Container[str]) -> str:
    """A Markdown table; the columns whose head is in ``left`` are aligned to the left, the others to the right."""
    rule = [":---" if head in left else "---:" for head in heads]
    lines = [f"| {' | '.join(map(markdown, row))} |" for row in (heads, *rows)]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def latex(value: object) -> str:
    """Text that LaTeX shows as it is, in a table cell too."""
    return "".join(_LATEX.get(character, character) for character in visible(" ".join(str(value).split())))
