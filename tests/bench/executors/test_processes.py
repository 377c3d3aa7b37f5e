"""Worker processes begin with what they need imported, and without being in the way of Ctrl-C."""

import subprocess
import sys

import pytest

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
