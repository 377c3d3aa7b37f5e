"""Discrete-event simulation of a queue of runs on a cluster whose nodes fail, with a driver that handles every run."""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gan_zoo.device import derive
from gan_zoo.errors import GanZooError

GPUS_A_NODE = 8


@dataclass(frozen=True)
class Cluster:
    """A cluster, in seconds and bytes.

    Attributes:
        slots: runs side by side.
        slots_a_node: runs side by side on a node.
        startup: from the start of a worker process to the first step of its first run.
        data: bytes of the data sets, which every node gets once, one node after another.
        bandwidth: bytes a second into or out of a node.
        storage: bytes a second into the storage of the checkpoints.
        driver: seconds of the driver for the end of a run; it handles one after another.
        driver_update: seconds of the driver for an update of a run.
        update_period: seconds between two updates of a run.
        run_overhead: seconds of a worker between two runs.
        checkpoint: bytes of a checkpoint.
        save: seconds for which training waits while a checkpoint is written, without its copy to the storage.
        every: seconds between two checkpoints.
        between_failures: mean seconds between two failures of a node; infinity for never.
        repair: seconds until a failed node is back.
    """

    slots: int
    slots_a_node: int = GPUS_A_NODE
    startup: float = 0.0
    data: float = 0.0
    bandwidth: float = math.inf
    storage: float = math.inf
    driver: float = 0.0
    driver_update: float = 0.0
    update_period: float = 0.5
    run_overhead: float = 0.0
    checkpoint: float = 0.0
    save: float = 0.0
    every: float = 60.0
    between_failures: float = math.inf
    repair: float = 0.0

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return -(-self.slots // self.slots_a_node)

    @property
    def update_share(self) -> float:
        """The share of the driver's time that updates need while every slot has a run."""
        return self.slots * self.driver_update / self.update_period

    @property
    def storage_share(self) -> float:
        """The share of the storage's bandwidth that checkpoints need; above 1, training waits for it."""
        return self.slots * self.checkpoint / self.every / self.storage

    @property
    def stretch(self) -> float:
        """By what factor checkpoints lengthen a run."""
        copy = self.checkpoint * self.slots_a_node / self.bandwidth
        wait = max(0.0, self.storage_share - 1) * self.every
        return 1 + (self.save + copy + wait) / self.every


@dataclass
class Outcome:
    """The result of a simulation, in seconds.

    Attributes:
        seconds: the time to the end of the last run.
        tail: of all slots together, the time after the last run that they had.
        driver: for which the driver is busy.
        lost: of all slots together, what is trained again after failures.
        failures: of nodes.
    """

    seconds: float = 0.0
    tail: float = 0.0
    driver: float = 0.0
    lost: float = 0.0
    failures: int = 0


@dataclass
class _Simulation:
    """The state of a cluster.

    ``running`` has when a slot's run began and the seconds that it takes, ``idle`` since when a slot has none.
    """

    cluster: Cluster
    waiting: deque[float]
    random: np.random.Generator
    events: list[tuple[float, int, str, int, int]] = field(default_factory=list)
    order: "itertools.count[int]" = field(default_factory=itertools.count)
    running: dict[int, tuple[float, float]] = field(default_factory=dict)
    idle: dict[int, float] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    driver_free: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)

    def schedule(self, time: float, kind: str, place: int) -> None:
        """Add an event; a slot has one at most, which makes its former one void."""
        if kind == "slot":
            self.versions[place] = self.versions.get(place, 0) + 1
        heapq.heappush(self.events, (time, next(self.order), kind, place, self.versions.get(place, 0)))

    def execute(self) -> Outcome:
        """Simulate to the end of the last run."""
        cluster = self.cluster
        for slot in range(cluster.slots):
            data = (slot // cluster.slots_a_node + 1) * cluster.data / cluster.bandwidth
            self.schedule(cluster.startup + data, "slot", slot)
        for node in range(cluster.nodes if cluster.between_failures < math.inf else 0):
            self.schedule(self.random.exponential(cluster.between_failures), "failure", node)
        while self.waiting or self.running:
            time, _, kind, place, version = heapq.heappop(self.events)
            if kind == "failure":
                self.fail(time, place)
            elif version == self.versions[place]:
                self.next_run(time, place)
        self.outcome.tail = sum(self.outcome.seconds - since for since in self.idle.values())
        return self.outcome

    def next_run(self, time: float, slot: int) -> None:
        """End a slot's run, if it has one, and begin the next."""
        if slot in self.running:
            _, seconds = self.running.pop(slot)
            cluster = self.cluster
            # Updates of the other runs arrive all the time.
            time = max(self.driver_free, time) + cluster.driver / (1 - cluster.update_share)
            self.driver_free = time
            self.outcome.driver += cluster.driver + cluster.driver_update * seconds / cluster.update_period
            self.outcome.seconds = time
        if not self.waiting:
            self.idle[slot] = time
            return
        left = self.waiting.popleft()
        self.running[slot] = time, left
        self.schedule(time + self.cluster.run_overhead + left, "slot", slot)

    def fail(self, time: float, node: int) -> None:
        """End a node's runs, which resume elsewhere from their last checkpoints."""
        cluster = self.cluster
        self.outcome.failures += 1
        first = node * cluster.slots_a_node
        for slot in range(first, min(first + cluster.slots_a_node, cluster.slots)):
            if slot in self.running:
                began, left = self.running.pop(slot)
                trained = max(0.0, time - began - cluster.run_overhead)
                saved = trained - trained % cluster.every
                self.outcome.lost += trained - saved
                self.waiting.appendleft(left - saved)
            self.idle.pop(slot, None)
            self.schedule(time + cluster.repair + cluster.startup, "slot", slot)
        for slot in list(self.idle)[: len(self.waiting)]:
            del self.idle[slot]
            self.schedule(time, "slot", slot)
        self.schedule(time + self.random.exponential(cluster.between_failures), "failure", node)


def simulate(runs: Sequence[float], cluster: Cluster, seed: int = 0) -> Outcome:
    """Simulate runs of these lengths in seconds, which begin in this order.

    Raises:
        GanZooError: the driver has no time beside the updates.
    """
    if cluster.update_share >= 1:
        raise GanZooError(f"updates of {cluster.slots} runs take {cluster.update_share:.0%} of the driver's time")
    random = np.random.default_rng(derive(seed, "failures"))
    return _Simulation(cluster, deque(seconds * cluster.stretch for seconds in runs), random).execute()
