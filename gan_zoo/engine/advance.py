"""Training for so many rounds: one by one, or on CUDA as recorded graphs."""

import torch

from gan_zoo.device import prepare
from gan_zoo.engine.batches import Draw, draw
from gan_zoo.engine.cuda_graphs import Graphs
from gan_zoo.engine.state import State, default_random
from gan_zoo.engine.step import run_round


def advance(state: State, rounds: int, *, draw: Draw = draw) -> State:
    """Train for so many rounds, in place.

    Nothing waits for the device, but when a graph is recorded: what a round records stays there until ``flush``.
    ``draw`` may be another source of batches (tests inject theirs); its rounds are run one by one.
    """
    # A setting of the whole process, which another state or a sampler may have changed meanwhile.
    prepare(state.device.type, state.precision, small=len(state.data.shape) == 1)
    with default_random(state):
        if draw is _FROM_DATA and state.graphs and state.device.type == "cuda":
            _recorded(state).advance(state, rounds)
        else:
            for _ in range(rounds):
                run_round(state, draw)
    return state


_FROM_DATA = draw


def _recorded(state: State) -> Graphs:
    if state.recorded is None:
        state.recorded = Graphs(state, torch.cuda.Stream(state.device))
    return state.recorded
