"""What a manifest says of how its results were made."""

import sys

import pytest
import torch

from gan_zoo.bench.identity import provenance


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/venv/bin/gan-zoo", "gan-zoo bench 'a b.toml'"),
        ("/checkout/gan_zoo/__main__.py", "gan-zoo bench 'a b.toml'"),
        ("/checkout/study.py", ""),
        ("-c", ""),
        ("", ""),
    ],
)
def test_the_command_is_that_of_gan_zoo_alone(monkeypatch, program, command):
    monkeypatch.setattr(sys, "argv", [program, "bench", "a b.toml"])
    assert provenance(torch.device("cpu"))["command"] == command
