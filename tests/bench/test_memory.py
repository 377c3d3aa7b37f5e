"""The memory of a run's processes, seen from a small process of its own: a test worker's own memory moves meanwhile."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells it")

MIB = 2**20
WATCH = """
import json, multiprocessing
from gan_zoo.bench.memory import PeakMemory

def held(mib):
    memory = bytearray(mib * 2**20)
    memory[::4096] = b"x" * len(memory[::4096])
    return memory

def hold(mib, ready, over):
    memory = held(mib)
    ready.set()
    over.wait(60)

fork = multiprocessing.get_context("fork")
ready, over = fork.Event(), fork.Event()
own = held({own})
with PeakMemory() as watched:
    watched.look()
    told = [watched.bytes]
    child = fork.Process(target=hold, args=({child}, ready, over))
    child.start()
    assert ready.wait(60)
    watched.look()
    told.append(watched.bytes)
    over.set()
    child.join()
told.append(watched.bytes)
print(json.dumps(told))
"""


def _told(own, child):
    """Bytes seen before a child that holds so many MiB, with it, and at the end."""
    code = WATCH.format(own=own, child=child)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_what_a_child_holds_is_counted_and_the_most_is_stored():
    before, peak, last = _told(own=0, child=200)
    assert before > 5 * MIB
    assert before + 195 * MIB < peak < before + 220 * MIB
    assert last == peak


def test_pages_that_processes_share_count_once():
    before, peak, _ = _told(own=200, child=0)
    assert before > 200 * MIB
    assert peak < before + 20 * MIB
