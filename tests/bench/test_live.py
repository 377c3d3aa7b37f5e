"""Callbacks see what the records have, whatever process trains; TensorBoard's files have the same numbers."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_zoo
from gan_zoo.bench.folder import read_runs
from gan_zoo.errors import GanZooError
from gan_zoo.tensorboard import TensorBoard

PYTHON = Path(__file__).parents[2] / "docs" / "python.md"


class Recorder(gan_zoo.Callback):
    def __init__(self):
        self.calls = []

    def on_run_start(self, run):
        self.calls.append((run.name, "start", run.step, run.settings.get("batch_size")))

    def on_history(self, run, step, values):
        self.calls.append((run.name, "history", step, dict(values)))

    def on_evaluation(self, run, step, values, samples):
        assert samples is None or Image.open(samples).size[0] > 32
        self.calls.append((run.name, "evaluation", step, dict(values), samples is not None))

    def on_run_end(self, run, status, message):
        self.calls.append((run.name, "end", status, message))

    def on_close(self):
        self.calls.append(("", "close"))

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


def expected(folder, name, start=0):
    """The calls for a run, from its records."""
    (run,) = [run for run in read_runs(folder) if run.name.startswith(name)]
    calls = [(row["step"], 0, "history", row["values"]) for row in run.history if row["step"] > start]
    for row in run.metrics:
        values = {f"{row['extractor']}/{metric}": value for metric, value in row["values"].items()}
        if row["step"] > start or not run.history:
            calls.append((row["step"], 1, "evaluation", values, bool(run.samples)))
    return [(call[2], call[0], *call[3:]) for call in sorted(calls, key=lambda call: call[:2])]


LONGER = [
    ("images = 160", "images = 2400"),
    ("budget = { images = 320 }", "batch_size = 16\nbudget = { images = 3200 }"),
]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_callbacks_see_what_the_records_have_and_only_what_is_new(bench, tmp_path, jobs):
    recorder = Recorder()
    bench("out", *LONGER, seeds=[0], jobs=jobs, callbacks=[recorder])
    for name, batch in (("by_heart-seed0", 16), ("sibling-seed0", 16), ("real-seed0", None)):
        first, *rest, last = recorder.of(name)
        assert first == ("start", 0, batch)
        assert [call for call in rest if call[0] == "evaluation"] == [
            call for call in expected(tmp_path / "out", name) if call[0] == "evaluation"
        ]
        assert sorted(rest, key=str) == sorted(expected(tmp_path / "out", name), key=str)
        assert last == ("end", "ok", "")
    assert recorder.calls[-1] == ("", "close")

    again = Recorder()
    bench("out", *LONGER, seeds=[0], jobs=jobs, callbacks=[again])
    assert again.calls in ([], [("", "close")]), "nothing is left to train"
    bench("out", *LONGER, seeds=[0], jobs=jobs, preset="full", callbacks=[again])
    first, *rest, last = again.of("sibling-seed0")
    assert first == ("start", 150, 16)
    assert sorted(rest, key=str) == sorted(expected(tmp_path / "out", "sibling-seed0", start=150), key=str)
    assert last[:2] == ("end", "ok")


def test_a_torn_line_that_a_kill_left_hides_no_row(bench, tmp_path):
    bench("out", *LONGER, seeds=[0])
    for path in (tmp_path / "out" / "records").glob("sibling*.jsonl"):
        path.write_bytes(path.read_bytes() + b'{"row":"history","st')
    recorder = Recorder()
    bench("out", *LONGER, seeds=[0], preset="full", callbacks=[recorder])
    assert recorder.of("sibling-seed0")[0] == ("start", 150, 16)
    assert [call[1] for call in recorder.of("sibling-seed0") if call[0] == "history"] == [200]


def test_what_is_no_callback_is_refused():
    with pytest.raises(GanZooError, match=r"print.* is none; derive it from gan_zoo.Callback"):
        gan_zoo.train("gan", "digits", steps=1, callbacks=[print])


def test_a_callback_that_fails_is_reported_once_and_ends_no_run(bench):
    class Broken(gan_zoo.Callback):
        def on_history(self, run, step, values):
            raise RuntimeError("no\nconnection")

    recorder = Recorder()
    with pytest.warns(UserWarning, match="callback Broken failed and is not called again: .*no connection") as caught:
        outcome = bench("out", *LONGER, seeds=[0], callbacks=[Broken(), recorder])
    assert len([each for each in caught if "Broken" in str(each.message)]) == 1
    assert set(outcome.results.runs["status"]) == {"ok"}
    assert recorder.of("sibling-seed0")[-1] == ("end", "ok", "")


def test_a_run_in_memory_has_them_too():
    recorder = Recorder()
    run = gan_zoo.train(gan_zoo.get("gan", batch_size=16), "digits", steps=120, callbacks=[recorder])
    kinds = [(call[0], call[1]) for call in recorder.of("gan-seed0")]
    assert kinds == [("start", 0), ("history", 50), ("history", 100), ("history", 120), ("end", "ok")]
    assert recorder.of("gan-seed0")[1][2]["generator_loss"] == run.history["generator_loss"][0]


def test_the_example_for_weights_and_biases(monkeypatch, tmp_path):
    logged, begun, ended = [], [], []
    run = types.SimpleNamespace(
        log=lambda values, step: logged.append((step, values)), finish=lambda exit_code: ended.append(exit_code)
    )
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **settings: begun.append(settings) or run
    wandb.Image = lambda path: ("image", Path(path).name)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    (code,) = re.findall(r"```python\n(import gan_zoo\nimport wandb.*?)```", PYTHON.read_text(), re.DOTALL)
    call = 'gan_zoo.train("cgan", "mnist", epochs=2, out="runs/logged", callbacks=[WandB()])'
    assert call in code
    short = f'gan_zoo.train(gan_zoo.get("cgan", batch_size=16), "digits", steps=60, out={str(tmp_path)!r}, callbacks=['
    exec(code.replace(call, f"{short}WandB()])"), {})
    assert [(each["project"], each["name"]) for each in begun] == [("gan-zoo", "cgan-seed0"), ("gan-zoo", "real-seed0")]
    assert begun[0]["config"]["batch_size"] == 16
    assert ended[1] == 0
    assert [{"digits-cnn/fid", "samples"} <= values.keys() for step, values in logged if step == 60] == [True, False]
    assert [step for step, values in logged if "generator_loss" in values] == [50, 60]


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return events.Reload()


def test_tensorboard_has_the_numbers_and_samples_of_every_run(bench, tmp_path):
    pytest.importorskip("tensorboard")
    bench("out", *LONGER, seeds=[0], tensorboard=True)
    (run,) = [run for run in read_runs(tmp_path / "out") if run.name.startswith("sibling")]
    metrics = run.metrics
    folder = tmp_path / "out" / "tensorboard"
    assert sorted(path.name for path in folder.iterdir()) == ["by_heart-seed0", "real-seed0", "sibling-seed0"]
    bench("out", *LONGER, seeds=[0], preset="full", tensorboard=True)
    results = gan_zoo.read_results(tmp_path / "out")
    events = read(folder / "sibling-seed0")
    history = results.history[results.history["variant"] == "sibling"]
    for tag, column in (("losses/generator_loss", "generator_loss"), ("outputs/D_fake", "D(fake)")):
        scalars = events.Scalars(tag)
        assert [each.step for each in scalars] == history["step"].tolist()
        assert [each.value for each in scalars] == pytest.approx(history[column].tolist(), rel=1e-6)
    (run,) = [run for run in read_runs(tmp_path / "out") if run.name.startswith("sibling")]
    metrics += run.metrics
    fids = [each.value for each in events.Scalars("metrics/fid_digits-cnn")]
    assert fids == pytest.approx([row["values"]["fid"] for row in metrics], rel=1e-6)
    images = events.Images("samples")
    assert [image.step for image in images] == [row["step"] for row in metrics] == [60, 150, 200]
    grid = sorted((tmp_path / "out" / "records" / run.name).glob("grid-*.png"))[-1]
    (tmp_path / "logged.png").write_bytes(images[-1].encoded_image_string)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "logged.png").convert("L")), np.asarray(Image.open(grid)))


def test_without_tensorboard_one_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(GanZooError, match=r"tensorboard is not installed; .*pip install tensorboard"):
        TensorBoard(tmp_path)
