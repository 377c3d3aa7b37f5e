"""Worker processes begin with what they need imported, and without being in the way of Ctrl-C."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver

import pytest

from gan_zoo.bench.executors.processes import SingleProcess

EARLY = """
import sys
from gan_zoo.bench.executors import processes
processes.begin_early()
assert not {"torch", "numpy", "pandas"} & set(sys.modules)
"""


def test_requesting_the_server_imports_nothing_slow():
    assert subprocess.run([sys.executable, "-c", EARLY], timeout=60).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the server process is Linux's")
def test_ctrl_c_is_heard_again_when_the_server_has_begun():
    # Set first, for a child of a job in the background begins with Ctrl-C ignored.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = heard + EARLY + "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the server process is Linux's")
def test_the_exit_status_is_that_of_the_process_although_the_pool_waits_for_it_too(monkeypatch):
    def read_late(descriptor):
        time.sleep(0.5 if threading.current_thread() is threading.main_thread() else 0.1)
        return read(descriptor)

    read = forkserver.read_signed
    monkeypatch.setattr(forkserver, "read_signed", read_late)
    process = SingleProcess(id, 0)
    with pytest.raises(BrokenProcessPool):
        process.submit(os._exit, 3).result()
    assert process.exit_status() == 3
