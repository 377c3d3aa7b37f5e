"""The process of one contestant: it answers one request at a time and sleeps on the pipe in between.

A process of its own, because what a contestant sets (precision of products, memory allocation) holds for a whole
process. Requests and replies are lines of JSON on stdin and stdout; the end of stdin ends it.
"""

import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from gan_zoo.errors import GanZooError

Reply = dict[str, Any]


def main() -> None:
    """Begin as the first argument says, then serve requests."""
    # Whatever libraries print must not mix with the replies.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    spec = json.loads(sys.argv[1])
    try:
        reply, serve = _begin(**spec)
        replies.write(json.dumps(reply) + "\n")
        for line in sys.stdin:
            replies.write(json.dumps(serve(json.loads(line))) + "\n")
    except Exception as error:
        if not isinstance(error, GanZooError):
            traceback.print_exc()
        replies.write(json.dumps({"error": " ".join(str(error).split()) or type(error).__name__}) + "\n")


def _begin(started: float, mode: str, variant: str, device: str) -> tuple[Reply, Callable[[Reply], Reply]]:
    """Load and train one step; gives the start-up times since ``started`` (Unix time), and what serves requests."""
    clock = time.perf_counter()
    import torch

    imported = time.perf_counter() - clock
    from gan_zoo.device import peak_memory, pick, reset_peak_memory, synchronize
    from timing.contestants import contestant

    one = contestant(mode, variant, device)
    reset_peak_memory(pick(device))
    one.first_step()
    synchronize(pick(device))
    first = time.time() - started

    def serve(request: Reply) -> Reply:
        if "warm_up" in request:
            one.warm_up()
            return {"warm_up_seconds": one.warm_up_seconds}
        if "profile" in request:
            from timing.profiling import profile

            return {"profile": profile(one.turn, request["profile"], torch.device(device).type)}
        turn = one.turn(request["seconds"], request["workers"])
        return {**turn._asdict(), "peak_memory_bytes": peak_memory(pick(device)), "note": one.note}

    times = {
        "import_torch_seconds": imported,
        "first_step_seconds": first,
        "threads": torch.get_num_threads(),
    }
    return times, serve


if __name__ == "__main__":
    main()
