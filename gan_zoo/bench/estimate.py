"""How long the runs of a plan take, from a few timed steps of each variant."""

import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from gan_zoo.bench.plan import Plan, RunSpec, make_plan
from gan_zoo.engine import init
from gan_zoo.engine.advance import advance
from gan_zoo.options import RunOptions

_UNTIMED_STEPS = 2
"""In the first steps libraries choose their kernels, and memory is mapped."""
_TIMED_SECONDS = 0.3


def serve(pipe: Connection, options: RunOptions, names: Sequence[str]) -> None:
    """Send ``(variant's name, seconds of a run)`` for each of the named runs.

    Only CPU time counts, so that runs in training on the same cores do not slow the estimate down.
    """
    plan = make_plan(options)
    runs = {run.name: run for run in plan.runs()}
    for name in names:
        pipe.send((runs[name].variant_name, seconds_of(plan, runs[name])))


def seconds_of(plan: Plan, run: RunSpec) -> float:
    """Seconds of training of a run on the CPU, from its first steps."""
    if plan.budget.unit == "seconds":
        return plan.budget.amount
    assert run.variant is not None
    state = init(run.variant, plan.data[run.variant.image_side], run.seed, precision=plan.precision)
    steps = plan.budget.rounds_left(state, 1.0)
    advance(state, min(_UNTIMED_STEPS, steps))
    timed, started = 0, time.process_time()
    while time.process_time() - started < _TIMED_SECONDS * plan.threads:
        advance(state, 1)
        timed += 1
    return steps * (time.process_time() - started) / plan.threads / timed
