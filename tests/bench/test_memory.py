"""The memory of a run's processes."""

import multiprocessing
import sys

import pytest

from gan_zoo.bench.memory import PeakMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells it")

MIB = 2**20


def _hold(size, ready, over):
    held = bytearray(size)
    held[::4096] = b"x" * len(held[::4096])
    ready.set()
    over.wait(60)


def test_what_a_child_holds_is_counted_and_the_most_is_kept():
    fork = multiprocessing.get_context("fork")
    ready, over = fork.Event(), fork.Event()
    with PeakMemory() as watched:
        watched.look()
        before = watched.bytes
        child = fork.Process(target=_hold, args=(200 * MIB, ready, over))
        child.start()
        assert ready.wait(60)
        watched.look()
        peak = watched.bytes
        over.set()
        child.join()
        watched.look()
    assert before > 5 * MIB
    assert before + 190 * MIB < peak < before + 500 * MIB
    assert watched.bytes == peak


def test_pages_that_processes_share_count_once():
    held = bytearray(200 * MIB)
    held[::4096] = b"x" * len(held[::4096])
    fork = multiprocessing.get_context("fork")
    ready, over = fork.Event(), fork.Event()
    watched = PeakMemory()
    watched.look()
    before = watched.bytes
    child = fork.Process(target=_hold, args=(MIB, ready, over))
    child.start()
    assert ready.wait(60)
    watched.look()
    over.set()
    child.join()
    assert watched.bytes < before + 100 * MIB
