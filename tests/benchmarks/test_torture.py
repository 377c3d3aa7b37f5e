"""The torture harness: it finds what is planted, and its quick form finds nothing."""

import argparse
import json
import os
import random
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.common import ROOT
from benchmarks.torture import corruptions, damage, disk, kills, memory
from benchmarks.torture.commands import TRACEBACK, Result, in_parallel, run, wait_until
from benchmarks.torture.folders import Workplace, counted, different, durable, lost, restarted
from benchmarks.torture.phases import Phases
from gan_zoo.tensors import load_tensors, save_tensors

HEAD = "import subprocess, sys, time\n"


def planted(tmp_path, line, timeout):
    """The result of a command whose plugin holds a line."""
    (tmp_path / "plugin.py").write_text(HEAD + line)
    words = ["list", "--plugin", tmp_path / "plugin.py"]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return run(words, tmp_path / "log", environment, timeout, whole=True)


@pytest.mark.slow
def test_a_planted_traceback_is_found(tmp_path):
    assert planted(tmp_path, f"print({TRACEBACK!r}, file=sys.stderr)", 120).fault == "traceback"


def has_ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_planted_hang_is_found_and_ended(tmp_path):
    line = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(subprocess.Popen(['sleep', '300']).pid)); time.sleep(300)"
    began = time.monotonic()
    result = planted(tmp_path, line, 15)
    assert (result.status, result.fault) == (None, "hang")
    assert time.monotonic() - began < 60
    if (tmp_path / "pid").exists():
        child = int((tmp_path / "pid").read_text())
        wait_until(lambda: has_ended(child), 20)
        assert has_ended(child)


@pytest.mark.parametrize(
    ("status", "output", "fault"),
    [
        (0, "fine", ""),
        (2, "error: no such file", ""),
        (130, "error: interrupted", ""),
        (None, "", "hang"),
        (1, "", "traceback"),
        (0, f"{TRACEBACK}:", "traceback"),
        (-11, "", "traceback"),
    ],
)
def test_faults_of_results(status, output, fault):
    assert Result(("list",), status, output).fault == fault


@pytest.mark.parametrize(
    ("status", "output", "is_same", "fault"),
    [
        (0, "report: out/report.html", False, "silently used"),
        (0, "report: out/report.html", True, ""),
        (0, "out/manifest.json is damaged: trained again", False, ""),
        (2, "error: out/manifest.json is damaged", False, ""),
        (2, "error: something is damaged", False, "unclear"),
        (1, TRACEBACK, True, "traceback"),
    ],
)
def test_a_damaged_file_that_is_silently_used_is_found(status, output, is_same, fault):
    result = Result(("report", "out"), status, output)
    assert corruptions.judged(result, is_same, ["manifest.json"]) == fault
    if result.status == 0:
        assert corruptions.judged(result, is_same, ["manifest.json"], "manifest.json is unreadable") == ""


def table(folder, *rows):
    folder.mkdir(exist_ok=True)
    (folder / "runs.csv").write_text("\n".join(["variant,seed,seconds", *rows]) + "\n")
    return folder


def test_doubled_lost_and_different_rows_are_found(tmp_path):
    whole = table(tmp_path / "whole", "gan,0,1.5", "gan,1,1.5")
    assert counted(table(tmp_path / "same", "gan,0,2.5", "gan,1,9"), whole) == (0, 0)
    assert different(tmp_path / "same", whole) == []
    assert counted(table(tmp_path / "doubled", "gan,0,1", "gan,0,1", "gan,1,1"), whole) == (0, 1)
    assert counted(table(tmp_path / "lost", "gan,0,1"), whole) == (1, 0)
    assert different(tmp_path / "doubled", whole) == different(tmp_path / "lost", whole) == ["runs.csv"]


def test_lost_records_and_runs_that_are_trained_again_are_found(tmp_path):
    (tmp_path / "records").mkdir()
    path = tmp_path / "records" / "gan.jsonl"
    path.write_text('{"row": "begin"}\n{"row": "end", "status": "ok"}\n{"torn')
    before = durable(tmp_path)
    assert lost(before, durable(tmp_path)) == 0
    path.write_text('{"row": "begin"}\n{"row": "end", "status": "ok"}\n{"row": "begin"}\n')
    assert lost(before, durable(tmp_path)) == 1
    path.write_text('{"row": "begin"}\n')
    assert lost(before, durable(tmp_path)) == 1
    path.unlink()
    assert lost(before, durable(tmp_path)) == 2


def test_a_run_that_was_not_resumed_from_its_checkpoint_is_found():
    before = {"gan": [b'{"row": "begin"}'], "cgan": [b'{"row": "begin"}']}
    resumed = {"gan": [*before["gan"], b'{"row": "resume", "step": 4}'], "cgan": [*before["cgan"], *before["cgan"]]}
    assert restarted(before, resumed, {"gan"}) == 0
    assert restarted(before, resumed, {"gan", "cgan"}) == 1
    assert restarted(before, before, {"gan", "cgan"}) == 0


def test_work_is_shared_among_processes_and_ordered():
    assert in_parallel(lambda number: number**2, [*range(20)], 3) == [number**2 for number in range(20)]
    with pytest.raises(RuntimeError):
        in_parallel(lambda number: 1 // number, [1, 0], 2)


def test_changed_facts_of_a_checkpoint_have_a_valid_digest(tmp_path):
    import torch

    path = tmp_path / "c.safetensors"
    save_tensors(path, {"a": torch.arange(6).view(2, 3), "b": torch.ones(())}, {"facts": json.dumps({"x": 1})})
    for number in range(20):
        content, how = damage.checkpoint_field(path.read_bytes(), random.Random(number))
        (tmp_path / "changed").write_bytes(content)
        tensors, metadata = load_tensors(tmp_path / "changed")
        assert tensors.keys() == {"a", "b"}
        assert metadata["facts"] != '{"x": 1}', how


def test_mutations_follow_from_their_seed():
    def drawn(seed):
        chance = random.Random(seed)
        return damage.changed_bytes(b"content" * 9, chance), damage.toml_value("a = 1\nb = 2\n", chance)

    assert drawn(3) == drawn(3)
    assert len({str(drawn(seed)) for seed in range(20)}) > 10


def test_a_quarter_of_the_kills_are_of_whole_commands(tmp_path):
    cases = [case.split("/") for case in kills.cases(Workplace(tmp_path), argparse.Namespace(kills=200, seed=0))]
    assert sum(int(count) for *_, count, _ in cases) == 200
    assert sum(int(count) for *_, kind, count, _ in cases if kind == "whole") == 50
    assert {command for _, _, command, kind, *_ in cases if kind == "whole"} == {*kills.COMMANDS}


def test_the_phase_of_a_process_is_known_after_its_death():
    phases = Phases()
    recorded = phases._recorded(lambda: os._exit(0), "checkpoint")
    pid = os.fork()
    if not pid:
        recorded()
    os.waitpid(pid, 0)
    assert phases.of(pid) == "checkpoint"
    assert phases.process_in("checkpoint") == pid
    assert phases.process_in("report") is None
    assert phases._recorded(lambda: phases.of(os.getpid()), "tables")() == "tables"
    assert phases.of(os.getpid()) == "other"


def test_kinds_of_written_files(tmp_path):
    names = ("out/records/gan-seed0-1a2b/grid-1.png", "out/checkpoints/.x1.part.safetensors", "out/.lock", "out")
    kinds = ["out/records/*/*.png", "out/checkpoints/*.safetensors", "out/.lock", "out"]
    assert [disk._kind(tmp_path / name, tmp_path) for name in names] == kinds


@pytest.mark.parametrize(
    ("grown", "opened", "is_fault"), [(0, 0, False), (1, -1, False), (8 << 20, 0, True), (0, 1, True)]
)
def test_growth_is_found(grown, opened, is_fault):
    early = {"memory_bytes": 10**9, "open_files": 9}
    late = {"memory_bytes": 10**9 + grown, "open_files": 9 + opened}
    assert memory.has_grown(early, late) == is_fault


@pytest.mark.slow
def test_runs_in_one_process_leave_nothing_behind(tmp_path):
    done, faults = memory.run(Workplace(tmp_path), f"memory/{2 * memory.FIRST}")
    assert (done.get("runs_in_one_process"), faults) == (2 * memory.FIRST, [])


@pytest.mark.slow
def test_the_quick_form_finds_nothing(tmp_path):
    words = [sys.executable, "-m", "benchmarks.torture", "--smoke", "--out", tmp_path]
    ended = subprocess.run(words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    found = json.loads((tmp_path / "torture.json").read_text())
    assert found["failures"] == [], ended.stderr
    assert ended.returncode == 0, ended.stderr
    assert (found["kills"], found["corruptions"], found["fuzzed"]) == (6, 10, 120)
    assert found["tables_identical"]
    zero = ("lost", "doubled", "silently_used", "tracebacks", "hangs", "unclear_errors", "written_outside")
    assert [found[name] for name in zero] == [0] * len(zero)
    assert found["full_disks"] > 0 or "no full disks" in ended.stderr
    assert found["seconds"].keys() == {"kills", "corruptions", "fuzz", "disk", "memory"}
    assert found["machine"]["cores"] >= 1
