"""How long a run takes is measured in steps of the variant itself."""

import time
from dataclasses import replace

import pytest

from gan_zoo.bench.executors.local import training_seconds
from gan_zoo.bench.plan import make_plan
from gan_zoo.engine import Budget, advance, init
from gan_zoo.options import RunOptions


@pytest.fixture
def plan(suite):
    path = suite(('["by_heart", "sibling"]', '["gan"]'))
    return make_plan(RunOptions(suite=path, preset="smoke", device="cpu"))


def test_the_estimate_is_the_time_of_a_step_times_the_steps(plan):
    run = plan.runs()[-1]
    state = init(run.variant, plan.data[run.variant.image_side], 0)
    advance(state, 3)
    started = time.process_time()
    advance(state, 10)
    step = (time.process_time() - started) / 10
    longer = replace(plan, budget=Budget("steps", 1000))
    assert training_seconds(longer, run) == pytest.approx(1000 * step, rel=0.75)


def test_a_budget_in_seconds_is_its_own_estimate(plan):
    assert training_seconds(replace(plan, budget=Budget("seconds", 77.0)), plan.runs()[-1]) == 77.0
