"""Text from elsewhere, in Markdown and on a terminal."""

import pytest

from gan_zoo.text import markdown, markdown_table, number, short_count, visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert(1)\>"),
        ("[a](javascript:alert(1))", r"[a\](javascript:alert(1))"),
        ("[a]: javascript:alert(1)", r"[a\]: javascript:alert(1)"),
        ("![a][b]", r"![a\][b]"),
        ("&lt;b&gt; R & D", r"\&lt;b\&gt; R & D"),
        ("a\n\n# b", "a # b"),
        ("# b", r"\# b"),
        ("~~~", r"\~\~\~"),
        ("\x1b[31mred", r"\\x1b[31mred"),
        ("60.4 [48.1, 75.8]", "60.4 [48.1, 75.8]"),
        (-0.5, "-0.5"),
    ],
)
def test_markdown_shows_text_as_it_is(value, shown):
    assert markdown(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(9_999_999, "9,999,999"), (1e7, "1.00e7"), (-7.684e10, "-7.68e10"), (1.5e300, "1.50e300"), (1234.5, "1,234")],
)
def test_large_numbers_have_three_digits(value, shown):
    assert number(value) == shown


def test_a_cell_stays_in_its_cell():
    table = markdown_table(["a", "b|c"], [["x\n| y", "`z`"]], left=["a"])
    assert table.splitlines() == ["| a | b\\|c |", "|:---|---:|", "| x \\| y | \\`z\\` |"]


def test_control_characters_are_visible():
    assert visible("a\x1b]0;x\x07\r\n\x9b\u2028\u202e\udcff") == r"a\x1b]0;x\x07\r\n\x9b\u2028\u202e\udcff"
    assert visible("a\u200f\u200b\ufeff") == r"a\u200f\u200b\ufeff"
    assert visible("ü λ† 文 😀") == "ü λ† 文 😀"


@pytest.mark.parametrize(("count", "shown"), [(147_000, "147k"), (1_757_668, "1.76M"), (999_600, "1M"), (520, "0.52k")])
def test_short_counts(count, shown):
    assert short_count(count) == shown
