"""Training: `init` a state, `draw` batches, `advance` it."""

from gan_zoo.engine import checkpoint
from gan_zoo.engine.batches import Batch, Fakes, draw
from gan_zoo.engine.loop import Diverged, OnBlock, advance, failure, start, take_notices, train_run, train_to
from gan_zoo.engine.run import Run
from gan_zoo.engine.sampler import Sampler
from gan_zoo.engine.state import State, check, init
from gan_zoo.engine.step import flush, pending_row
from gan_zoo.options import Budget

__all__ = [
    "Batch",
    "Budget",
    "Diverged",
    "Fakes",
    "OnBlock",
    "Run",
    "Sampler",
    "State",
    "advance",
    "check",
    "checkpoint",
    "draw",
    "failure",
    "flush",
    "init",
    "pending_row",
    "start",
    "take_notices",
    "train_run",
    "train_to",
]
