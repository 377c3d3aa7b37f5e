"""When a cell counts as collapsed."""

import pytest

from gan_zoo.bench.cell import _collapsed


@pytest.mark.parametrize(
    ("modes", "real", "collapsed"),
    [(2, 10, True), (3, 10, False), (1, 4, True), (9, 9, False), (2, 9, True), (3, 9, False)],
)
def test_a_quarter_of_what_real_images_show_is_the_bar(modes, real, collapsed):
    """Of a set with 150 even classes real images show few: generated ones that show as many have not collapsed."""
    assert _collapsed([{"values": {"fid": 3.0, "modes": modes}, "real_modes": real}]) is collapsed


def test_too_many_even_classes_for_any_to_hold_one_percent():
    assert _collapsed([{"values": {"modes": 0}, "real_modes": 0}]) is False


def test_where_no_modes_are_measured_nothing_is_said():
    assert _collapsed([{"values": {"fid": 3.0}}]) is False
