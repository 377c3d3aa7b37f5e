"""An evaluation that is stopped between two of its rows is repeated: no sample and no metric is missing."""

import signal

import pytest

from gan_zoo import train
from gan_zoo.bench import run
from gan_zoo.bench.folder import read_runs

pytestmark = pytest.mark.usefixtures("no_report")


def stopping(before):
    """``append`` with two Ctrl-C before a row of an evaluation, counted from 0."""
    number = 0
    append = run.append

    def stopped(path, row):
        nonlocal number
        if row["row"] in ("samples", "metrics"):
            if number == before:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            number += 1
        append(path, row)

    return stopped


def evaluations(folder):
    """What is on record of a single run's evaluations."""
    (record,) = (record for record in read_runs(folder) if record.begin["variant"] != "real")
    drawn = {(row["kind"], row["step"], (folder / row["file"]).is_file()) for row in record.samples}
    return drawn, {(row["extractor"], row["step"]) for row in record.metrics}


@pytest.mark.parametrize(("evaluate", "rows"), [pytest.param(True, 4, marks=pytest.mark.slow), (False, 2)])
def test_an_evaluation_stopped_before_any_of_its_rows_is_repeated(monkeypatch, tmp_path, evaluate, rows):
    # With a checkpoint after every chunk there is one at the step of the evaluation before it begins.
    options = {"steps": 4, "evaluate": evaluate, "checkpoint_every": 0.0}
    train("cgan", "digits", out=tmp_path / "whole", **options)
    whole = evaluations(tmp_path / "whole")
    assert len(whole[0]) + len(whole[1]) == rows
    for before in range(rows):
        out = tmp_path / str(before)
        with monkeypatch.context() as patch:
            patch.setattr(run, "append", stopping(before))
            with pytest.raises(KeyboardInterrupt):
                train("cgan", "digits", out=out, **options)
        train("cgan", "digits", out=out, **options)
        assert evaluations(out) == whole
