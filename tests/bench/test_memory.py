"""The memory of a run's processes, seen from a small process of its own: a test worker's own memory moves meanwhile."""

import json
import subprocess
import sys

import pytest

MIB = 2**20
WATCH = """
import json, multiprocessing
from gan_zoo.bench.executors.processes import PeakMemory

def allocate(mib):
    memory = bytearray(mib * 2**20)
    memory[::4096] = b"x" * len(memory[::4096])
    return memory

def hold(mib, ready, over):
    memory = allocate(mib)
    ready.set()
    over.wait(60)

fork = multiprocessing.get_context("fork")
ready, over = fork.Event(), fork.Event()
own = allocate({own})
with PeakMemory() as watched:
    watched.look()
    seen = [watched.bytes]
    child = fork.Process(target=hold, args=({child}, ready, over))
    child.start()
    assert ready.wait(60)
    watched.look()
    seen.append(watched.bytes)
    over.set()
    child.join()
seen.append(watched.bytes)
print(json.dumps(seen))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="proportional set size is Linux's")
@pytest.mark.parametrize(("own", "child"), [(0, 200), (200, 0)])
def test_a_childs_memory_is_counted_but_for_pages_that_it_shares_and_the_most_is_stored(own, child):
    code = WATCH.format(own=own, child=child)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    before, peak, last = json.loads(result.stdout)
    assert before > max(5, own) * MIB
    assert before + (child - 5) * MIB < peak < before + (child + 20) * MIB
    assert last == peak
