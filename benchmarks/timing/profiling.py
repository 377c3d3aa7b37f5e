"""Where a step's time goes: operations of torch's profiler, in a few groups."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

OTHER = "other"
# The first pattern that is found in the name of an operation, or else of one that called it, is its group.
_GROUPS = {
    "optimizer": r"optimizer|adam|rmsprop|sgd|multi_tensor_apply",
    "batch norm": r"batch_?norm|bn_(fw|bw)",
    "convolutions": r"conv|dgrad|wgrad|fprop|cudnn",
    "products": r"::(mm|addmm|bmm|matmul|linear|mkldnn_linear\w*|_addmm_activation)$|gemm|cutlass|nvjet|splitk",
    "activations": r"relu|tanh|sigmoid|softplus|threshold",
    "loss and history": r"cross_entropy|mse|logsigmoid|linalg|foreach_norm|lpnorm|::(mean|stack|sum|cat)$",
    "data": r"::index|randperm|uniform|normal_|distribution|gather|embedding",
    "gradients zeroed or summed": r"accumulategrad|::(zero_|fill_)$",
    "casts and copies": r"::(copy_|_to_copy|to|clone|contiguous)$|copy|memcpy|memset",
}
_PATTERNS = {group: re.compile(pattern, re.IGNORECASE) for group, pattern in _GROUPS.items()}


def profile(turn: Callable[[float, int], Any], seconds: float, kind: str) -> dict[str, float]:
    """Milliseconds a step by group, most first, of a turn of about so many seconds under the profiler.

    On CUDA the time of kernels is counted, on the CPU that of operations without those they call.
    """
    on_cuda = kind == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with torch_profile(activities=activities) as profiler:
        steps = turn(seconds, 0).steps
    events = profiler.events() or []
    if on_cuda:
        kernels = (e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation)
        timed = ((e.name, (), e.time_range.elapsed_us()) for e in kernels)
    else:
        timed = ((e.name, _callers(e), e.self_cpu_time_total) for e in events)
    sums: Counter[str] = Counter()
    for name, callers, microseconds in timed:
        sums[group(name, callers)] += microseconds
    return {name: total / 1e3 / steps for name, total in sums.most_common()}


def group(name: str, callers: Iterable[str] = ()) -> str:
    """The group of an operation, by its own name, else by the nearest caller's that tells."""
    for known in (name, *callers):
        for title, pattern in _PATTERNS.items():
            if pattern.search(known):
                return title
    return OTHER


def _callers(event: Any) -> Iterable[str]:
    caller = event.cpu_parent
    while caller is not None:
        yield caller.name
        caller = caller.cpu_parent
