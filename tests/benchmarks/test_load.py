import pytest
from timing.load import Usage, others_share, usage


def process(proc, number, parent, *ticks, name="python"):
    folder = proc / str(number)
    folder.mkdir()
    fields = ["S", parent, *[0] * 9, *ticks, 0, 0]
    (folder / "stat").write_text(f"{number} ({name}) {' '.join(map(str, fields))}\n")


def test_own_time_is_that_of_the_whole_tree(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 10 50 800 20 3 4 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    process(tmp_path, 1, 0, 90, 9, 1000, 1000)
    process(tmp_path, 7, 1, 10, 1, 4, 2)
    process(tmp_path, 8, 7, 20, 2, 0, 0, name="pt) main (4 5")
    process(tmp_path, 9, 8, 30, 3, 0, 0)
    process(tmp_path, 70, 1, 500, 500, 0, 0)
    assert usage(tmp_path, 7) == Usage(total=992, busy=167, stolen=5, own=17 + 22 + 33)


def test_others_are_what_is_busy_without_us():
    before = Usage(total=1000, busy=500, stolen=10, own=200)
    assert others_share(before, Usage(1400, 860, 10, 540)) == pytest.approx(20 / 400)
    assert others_share(before, Usage(1400, 860, 30, 560)) == pytest.approx(20 / 400)
    # Rounding of ticks must not count as less than nothing.
    assert others_share(before, Usage(1400, 860, 10, 570)) == 0.0


def test_a_system_that_does_not_tell_is_unknown(tmp_path):
    assert usage(tmp_path) is None
    (tmp_path / "stat").write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    silent = usage(tmp_path)
    assert others_share(silent, silent) is None
    assert others_share(None, Usage(1, 1, 1, 1)) is None
