"""The record of options: bounds, names, and the options of commands that are made from it."""

import inspect
from dataclasses import fields

import pytest

from gan_zoo.api import run_suite, train
from gan_zoo.bench.plan import make_plan
from gan_zoo.cli.bench import bench, search
from gan_zoo.cli.train import train as train_command
from gan_zoo.errors import GanZooError
from gan_zoo.options import RunOptions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"jobs": -1}, "jobs is -1"),
        ({"threads": 10**9}, "threads is 1000000000; it must be at most 1024"),
        ({"jobs": 10**9}, "jobs is 1000000000; it must be at most 1024"),
        ({"seeds": range(10**9)}, "seeds are range.*at most 1,000"),
        ({"seeds": [2**60]}, "seeds are"),
        ({"run_timeout": 0.5}, "run_timeout is 0.5"),
        ({"checkpoint_every": float("nan")}, "checkpoint_every is nan"),
        *(({"seeds": seeds}, r"seeds are \[.*\]") for seeds in ([], [1, 1], [-1], [True], [0.5], ["0"])),
        ({"precision": "fp31"}, "did you mean 'fp32'"),
        ({"sedes": [1]}, "did you mean 'seeds'"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(options, words):
    with pytest.raises(GanZooError, match=words):
        run_suite("digits", **options)


def test_train_takes_the_options_of_its_command_alone():
    with pytest.raises(GanZooError, match="option 'jobs'"):
        train("gan", "digits", steps=1, jobs=2)


@pytest.mark.parametrize("command", [bench, train_command, search], ids=lambda command: command.__name__)
def test_a_command_has_an_option_for_each_field_that_names_it(command):
    offered = {option.name for option in fields(RunOptions) if command.__name__ in option.metadata["commands"]}
    parameters = inspect.signature(command).parameters
    assert offered <= set(parameters)
    assert "options" not in parameters


def test_every_option_is_documented():
    assert all(f"{option.name}: " in run_suite.__doc__ for option in fields(RunOptions)[1:])


def test_the_executor_ray_names_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(GanZooError, match=r"pip install .*gan-zoo\[ray\]"):
        RunOptions(executor="ray")


@pytest.mark.parametrize(
    "options", [{"executor": "slurm"}, {"address": "auto"}, {"storage": "s3://zoo"}, {"num_gpus": 0.5}]
)
def test_an_option_of_a_cluster_needs_one(options):
    with pytest.raises(GanZooError, match=next(iter(options))):
        RunOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        *({"num_gpus": number} for number in (0, 0.001, 1.5, -1, float("nan"), 5000)),
        *({"address": address} for address in ("", "ray://head:10001")),
        *({"storage": storage} for storage in ("", "memory://zoo")),
        {"device": "cuda:1"},
    ],
)
def test_a_cluster_cannot_have_any_option(monkeypatch, options):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: True)
    with pytest.raises(GanZooError, match=next(iter(options))):
        RunOptions(executor="ray", **options)


def test_gpus_are_for_runs_on_cuda(suite, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: True)
    with pytest.raises(GanZooError, match="num_gpus"):
        make_plan(RunOptions(suite=suite(), preset="smoke", device="cpu", executor="ray", num_gpus=0.5))
