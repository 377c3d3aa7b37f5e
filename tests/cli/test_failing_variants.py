"""However a variant's code ends a run, it is the status of that run alone: the others finish, and all is reported."""

import pandas as pd
import pytest

from gan_zoo import GanZooError

pytestmark = pytest.mark.slow

KINDS = {
    "exit_0": "SystemExit: 0",
    "exit_3": "SystemExit: 3",
    "system_exit": "SystemExit:",
    "interrupt": "KeyboardInterrupt:",
    "generator_exit": "GeneratorExit:",
    "stop": "StopIteration",
    "odd": "Odd: why",
    "unprintable": "Unprintable, which has no message",
    "missing_file": "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere/at/all'",
    "full_disk": "OSError: [Errno 28] No space left on device",
}
FAILING = """

import errno
import os
import sys
from dataclasses import replace

from gan_zoo.registry import get


def throw(error):
    raise error


class Odd(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self):
        raise SystemExit("no text")

    __repr__ = __str__


KINDS = {
    "exit_0": lambda *_: sys.exit(0),
    "exit_3": lambda *_: sys.exit(3),
    "system_exit": lambda *_: throw(SystemExit),
    "interrupt": lambda *_: throw(KeyboardInterrupt),
    "generator_exit": lambda *_: throw(GeneratorExit),
    "stop": lambda *_: throw(StopIteration("planned")),
    "odd": lambda *_: throw(Odd("why")),
    "unprintable": lambda *_: throw(Unprintable),
    "missing_file": lambda *_: open("nowhere/at/all"),
    "full_disk": lambda *_: throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    "dies_0": lambda *_: os._exit(0),
    "dies_3": lambda *_: os._exit(3),
}


class FailsToSample(ByHeart):
    def __init__(self, fail):
        super().__init__(200)
        self.fail = fail

    def forward(self, latent):
        return super().forward(latent) if self.training else self.fail()


def make(kind, place):
    fail = KINDS[kind]
    if place == "loss":
        return toy(failing(fail))
    if place == "update":
        return replace(get("sibling"), after_discriminator_step=fail)
    if place == "networks":
        return replace(get("sibling"), networks=fail)
    if place == "samples":
        return replace(get("sibling"), networks=lambda spec: (FailsToSample(fail), get("sibling").networks(spec)[1]))
    return fail()


def register_failing(kind, place):
    register(f"{kind}.{place}")(lambda: make(kind, place))


for kind in KINDS:
    for place in ("loss", "update", "networks", "samples", "function"):
        register_failing(kind, place)
"""


@pytest.fixture
def failing(toys):
    """The toys' plugin, with a variant for every way and place to fail, e.g. ``exit_0.loss``."""
    toys.write_text(toys.read_text() + FAILING, encoding="utf-8")
    return toys


def variants(*failing):
    """The suite's variants: the failing ones between two that are not."""
    return ('"by_heart", "sibling"', ", ".join(f'"{name}"' for name in ("by_heart", *failing, "sibling")))


def runs_of(folder):
    return pd.read_csv(folder / "runs.csv").set_index("variant")


def assert_only_these_failed(folder, failing):
    runs = runs_of(folder)
    assert set(runs.loc[list(failing), "status"]) == {"error"}
    assert runs.loc[["real", "by_heart", "sibling"], "status"].tolist() == ["ok"] * 3
    summary = pd.read_csv(folder / "summary.csv").set_index("variant")
    assert set(summary.loc[["by_heart", "sibling"], "failures"]) == {0}
    assert {"by_heart", "sibling", "real"} <= set(pd.read_csv(folder / "metrics.csv")["variant"])
    return runs


def test_in_one_process_whatever_is_raised_is_the_status_of_its_run(bench, failing, tmp_path):
    steps = {"loss": 2, "update": 0, "networks": 0, "samples": 4}
    names = [f"{kind}.{place}" for kind in KINDS for place in steps]
    outcome = bench("out", variants(*names), seeds=[0])
    runs = assert_only_these_failed(tmp_path / "out", names)
    for name in names:
        kind, place = name.split(".")
        assert KINDS[kind].rstrip(":") in runs.loc[name, "message"]
        assert "\n" not in runs.loc[name, "message"]
        assert runs.loc[name, "steps"] == steps[place]
    assert len(outcome.errors) == len(names)


def test_an_error_is_tried_again_and_the_others_are_not(bench, failing, tmp_path):
    failed = variants("exit_0.loss", "interrupt.samples")
    bench("out", failed, seeds=[0])
    done = {path: path.read_bytes() for path in (tmp_path / "out" / "records").glob("*.jsonl")}
    assert len(bench("out", failed, seeds=[0]).errors) == 2
    again = {path.name.split("-")[0] for path, content in done.items() if path.read_bytes() != content}
    assert again == {"exit_0.loss", "interrupt.samples"}


@pytest.mark.parametrize("kind", ["exit_0", "exit_3", "generator_exit", "missing_file", "odd", "unprintable"])
def test_a_variant_that_cannot_be_made_is_one_line_before_anything_is_written(gan_zoo, suite, failing, tmp_path, kind):
    name = f"{kind}.function"
    bench = ["bench", suite(variants(name)), "--preset", "smoke", "--jobs", "1"]
    train = ["train", name, "--data", "digits", "--steps", "9"]
    for words in (bench, train):
        error = gan_zoo(*words, "--plugin", failing, "--out", "out").error
        assert f"variant {name!r} cannot be made" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("jobs", "failed"),
    [
        (1, ["dies_0.networks", "exit_0.samples"]),
        (2, ["dies_0.loss", "dies_3.update", "dies_0.samples", "exit_0.loss", "interrupt.update", "missing_file.loss"]),
    ],
)
def test_bench_finishes_the_others_and_exits_2(gan_zoo, suite, failing, no_report, tmp_path, jobs, failed):
    words = ["bench", suite(variants(*failed)), "--preset", "smoke", "--plugin", failing, "--seeds", "0"]
    result = gan_zoo(*words, "--out", "out", "--jobs", jobs)
    assert result.status == 2
    assert sorted(line.split(" seed ")[0] for line in result.err.splitlines()) == [
        f"error: a run failed: {name}" for name in sorted(failed)
    ]
    runs = assert_only_these_failed(tmp_path / "out", failed)
    for name in failed:
        if name.startswith("dies"):
            assert f"its process ended with exit status {name[5]}" in runs.loc[name, "message"]


FATAL = """

GONE = []


def lose_the_device(_value):
    GONE.append(True)
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def needs_the_device(value):
    if GONE:
        raise RuntimeError("CUDA is gone in this process")
    return value


register("loses_the_device")(lambda: toy(failing(lose_the_device)))
register("needs_the_device")(lambda: toy(failing(needs_the_device)))
"""
LOST = ('"by_heart", "sibling"', '"loses_the_device", "needs_the_device"')


def test_after_a_fatal_error_of_the_device_the_next_run_gets_another_process(bench, toys, tmp_path):
    toys.write_text(toys.read_text() + FATAL, encoding="utf-8")
    outcome = bench("out", LOST, seeds=[0, 1], isolate=True)
    runs = runs_of(tmp_path / "out")
    assert runs.loc["loses_the_device", "status"].tolist() == ["error"] * 2
    assert "illegal memory access" in runs.loc["loses_the_device", "message"].iloc[0]
    assert runs.loc["needs_the_device", "status"].tolist() == ["ok"] * 2
    assert len(outcome.errors) == 2


def test_after_a_fatal_error_nothing_else_is_run_in_this_process(bench, toys, tmp_path):
    toys.write_text(toys.read_text() + FATAL, encoding="utf-8")
    with pytest.raises(GanZooError, match=r"illegal memory access.* in another process"):
        bench("out", LOST, seeds=[0])
    records = {path.name.split("-")[0] for path in (tmp_path / "out" / "records").glob("*.jsonl")}
    assert records == {"loses_the_device"}


@pytest.mark.parametrize("name", ["dies_0.loss", "exit_0.samples", "exit_3.networks", "unprintable.loss"])
def test_train_reports_a_failed_run_and_exits_2(gan_zoo, failing, no_report, tmp_path, name):
    """A run in which nothing was trained does not occupy the folder."""
    words = ["--plugin", failing, "--data", "digits", "--steps", "9", "--out", "run"]
    error = gan_zoo("train", name, *words).error
    assert error.startswith(f"a run failed: {name} seed 0: ")
    assert runs_of(tmp_path / "run")["status"].to_dict() == {name: "error", "real": "ok"}
    if name.endswith("networks"):
        assert gan_zoo("train", "by_heart", *words).status == 0


@pytest.mark.parametrize(
    "name", ["exit_0.loss", "exit_0.networks", "generator_exit.update", "odd.loss", "unprintable.update"]
)
def test_check_reports_code_that_exits(gan_zoo, failing, name):
    result = gan_zoo("check", name, "--plugin", failing)
    assert result.status == 2
    assert f"variant {name!r} breaks the contract" in result.err


def test_show_reports_code_that_exits(gan_zoo, failing):
    error = gan_zoo("show", "exit_0.networks", "--plugin", failing).error
    assert "networks of variant 'exit_0.networks'" in error
    assert "SystemExit: 0" in error
