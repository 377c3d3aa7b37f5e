import io
import json
from argparse import Namespace

import pytest
import speed
import torch
from timing import run as run_module
from timing.contest import Worker
from timing.contestants import Engine
from timing.evaluation import share_of_run
from timing.loops import InMemory
from timing.tutorial import Training

from gan_zoo import data, registry
from gan_zoo.bench.records import append, write_json
from gan_zoo.errors import GanZooError

KEYS = {
    *("variant", "mode", "images_per_second", "ms_per_step", "ratio_median", "ratio_min", "ratio_max"),
    *("share_of_peak", "peak_memory_bytes", "rounds"),
}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--variants", "cgna"], "error: unknown variant 'cgna'; did you mean 'cgan'?"),
        (["--parts", "peeks"], "error: unknown part 'peeks'; did you mean 'peaks'?"),
        (["--variants", ","], "error: no variant is named"),
        (["--rounds", "0"], "error: --rounds 0 is too few; it must be above 0"),
        (["--seconds-per-round", "-1"], "error: --seconds-per-round -1 is too few"),
        (["--device", "tpu"], "error: device 'tpu' is not one"),
    ],
)
def test_bad_input_is_one_line(arguments, line, tmp_path, capsys):
    assert speed.main([*arguments, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_has_the_promised_rows_and_resumes(tmp_path, monkeypatch, capsys):
    """Two modes are enough to see processes, turns and files; the others differ in what they train."""
    monkeypatch.setattr("timing.contest.modes_of", lambda *_: ["tutorial", "exact"])
    monkeypatch.setattr("timing.contest.WORKERS", (0,))
    monkeypatch.setattr("timing.contest.CAP", 1)
    wanted = ["--variants", "gan", "--device", "cpu", "--threads", "1", "--rounds", "1", "--seconds-per-round", "0.01",
              "--out", str(tmp_path), "--parts", "rows", "--profile"]  # fmt: skip
    threads = torch.get_num_threads()
    try:
        assert speed.main(wanted) == 0
        (path,) = tmp_path.glob("*.json")
        first = json.loads(path.read_text())
        assert [row["mode"] for row in first["rows"]] == ["tutorial", "exact"]
        assert all(row.keys() >= KEYS and row["images_per_second"] > 0 for row in first["rows"])
        assert first["rows"][1]["flops_difference"] == 0
        assert first["profile"]["gan"]["exact"]["products"] > 0
        assert first["machine"]["threads"] == 1
        assert "`gan` exact" in path.with_suffix(".md").read_text()

        monkeypatch.setattr(run_module, "contest", None)
        assert speed.main([*wanted, "--resume"]) == 0
        assert json.loads(path.read_text())["rows"] == first["rows"]
    finally:
        torch.set_num_threads(threads)


def test_a_process_that_fails_says_why():
    told = Namespace(stdout=io.StringIO('{"error": "no such data"}\n'))
    with pytest.raises(GanZooError, match="mode exact: no such data"):
        Worker("exact", told).await_first_step()
    killed = Namespace(stdout=io.StringIO(), wait=lambda: -9)
    with pytest.raises(GanZooError, match="mode fast: its process ended with status -9"):
        Worker("fast", killed).await_first_step()


def test_a_variant_that_fails_leaves_the_others(report, tmp_path, monkeypatch, capsys):
    def variant(run, name, _):
        if name == "cgan":
            raise GanZooError("mode fast: out of memory")
        run.report["rows"] += [row for row in report["rows"] if row["variant"] == name]
        return 1.0

    monkeypatch.setattr(run_module.Speed, "_variant", variant)
    threads = torch.get_num_threads()
    asked = ["--device", "cpu", "--parts", "rows", "--out", str(tmp_path)]
    assert speed.main([*asked, "--threads", str(threads), "--variants", "gan,cgan,dcgan"]) == 2
    assert capsys.readouterr().err == "error: cgan, mode fast: out of memory\n"
    (path,) = tmp_path.glob("*.json")
    assert {row["variant"] for row in json.loads(path.read_text())["rows"]} == {"gan", "dcgan"}


def test_where_the_time_is_up_the_rest_is_left_out(tmp_path, monkeypatch):
    options = speed.parser().parse_args(["--variants", "gan,cgan", "--device", "cpu", "--out", str(tmp_path)])
    options.threads, options.minutes = torch.get_num_threads(), 1.0
    run = run_module.Speed(options)
    monkeypatch.setattr(run, "_left", lambda: -1.0)
    run.run()
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["left_out"] == ["peaks", "gan", "cgan", "evaluation", "startup"]


def test_results_of_other_code_are_not_kept(tmp_path, capsys):
    options = speed.parser().parse_args(["--device", "cpu", "--resume", "--out", str(tmp_path)])
    options.threads = torch.get_num_threads()
    run = run_module.Speed(options)
    for code, kept in ((run.report["code"], ["a row"]), ("other", [])):
        write_json(run.path, run.report | {"code": code, "rows": ["a row"]})
        assert run_module.Speed(options).report["rows"] == kept
    assert "of other code" in capsys.readouterr().out


def test_a_turn_of_the_engine_counts_what_it_trains():
    variant = registry.get("gan")
    engine = Engine(variant, data.load("digits"), "fp32")
    engine.first_step()
    engine.step_seconds = 1.0
    turn = engine.turn(1e-9, 0)
    assert turn.steps == 3
    assert turn.images == engine.state.images - 512 == 1297
    assert engine.note == engine.state.execution


def test_a_turn_of_the_loop_goes_on_over_epochs():
    loop = InMemory(Training("gan", torch.device("cpu")), torch.rand(6, 1, 32, 32), torch.arange(6))
    loop.first_step()
    turn = loop.turn(1e-9, 0)
    assert (turn.steps, turn.images) == (3, 18)


def test_evaluations_share_is_that_of_the_cells_that_tell(tmp_path):
    write_json(tmp_path / "manifest.json", {"cells": ["a", "b", "real"], "data": {"name": "mnist"}})
    (tmp_path / "cells").mkdir()
    rows = {
        "a": {"steps": 5, "seconds": 80.0, "evaluation_seconds": 20.0, "peak_memory_bytes": 7},
        "b": {"steps": 5, "seconds": 1.0},
        "real": {"steps": 0, "seconds": 0, "evaluation_seconds": 9.0},
    }
    for name, end in rows.items():
        begin = {"row": "begin", "variant": name, "seed": 0, "data": "mnist", "preset": "quick"}
        append(tmp_path / "cells" / f"{name}.jsonl", begin)
        append(tmp_path / "cells" / f"{name}.jsonl", {"row": "end", "status": "ok", **end})
    share = share_of_run(tmp_path)
    assert (share["cells"], share["share"], share["peak_memory_bytes"]) == (1, 0.2, 7)


def test_the_options_have_their_defaults():
    options = speed.parser().parse_args([])
    assert isinstance(options, Namespace)
    assert options.variants == ["gan", "cgan", "dcgan", "lsgan"]
    assert tuple(options.parts) == speed.PARTS
