"""A bench folder and a longer preset, other settings, another num_samples, or another order of commands."""

import pandas as pd
import pytest
from results_folders import Notices, assert_same_tables, content

from gan_zoo import GanZooError
from gan_zoo.bench.tables import TABLES

PRESETS = (
    "[presets.full]\nseeds = 1\nbudget = { images = 320 }\nnum_samples = 140\n",
    """
[presets.long]
seeds = 2
budget = { images = 1600 }
evaluate_at = [0.04, 0.1, 0.5, 1.0]
num_samples = 140
batch_size = 16

[presets.other]
seeds = 2
budget = { images = 1600 }
num_samples = 140
batch_size = 20
precision = "bf16"
""",
)


def begins(folder):
    return sum(text.count('"row":"begin"') for text in (path.read_text() for path in folder.glob("records/*.jsonl")))


@pytest.mark.slow
def test_a_longer_preset_extends_to_the_tables_of_one_go(bench, tmp_path):
    bench("out", PRESETS)
    first = begins(tmp_path / "out")
    bench("out", PRESETS, preset="long")
    assert begins(tmp_path / "out") == first
    bench("whole", PRESETS, preset="long")
    assert_same_tables(tmp_path / "whole", tmp_path / "out", TABLES)
    assert set(pd.read_csv(tmp_path / "out" / "runs.csv").query("variant != 'real'")["images"]) == {1600}
    assert set(pd.read_csv(tmp_path / "out" / "history.csv")["step"]) == {50, 100}


def test_a_point_that_was_passed_unmeasured_is_one_notice_a_run(bench, tmp_path):
    notices = Notices()
    bench("out", PRESETS, seeds=[0])
    bench("out", PRESETS, ("0.04, 0.1", "0.03, 0.1"), preset="long", seeds=[0], listener=notices)
    passed = [text for text in notices.texts if "not evaluated there" in text]
    assert sorted(text.split(":")[0] for text in passed) == ["by_heart seed 0", "sibling seed 0"]
    assert all("trained beyond 48 images already" in text for text in passed)
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv").query("variant == 'sibling'")
    assert sorted(set(metrics["step"])) == [10, 50, 100]
    again = Notices()
    bench("out", PRESETS, ("0.04, 0.1", "0.03, 0.1"), preset="long", seeds=[0], listener=again)
    assert not [text for text in again.texts if "not evaluated there" in text], "it is finished"


def test_a_preset_of_other_settings_is_refused_and_names_them(bench, tmp_path):
    bench("out", PRESETS)
    before = content(tmp_path / "out")
    with pytest.raises(GanZooError) as error:
        bench("out", PRESETS, preset="other")
    for word in ("batch_size 16, not 20", "precision fp32, not bf16"):
        assert word in str(error.value)
    assert content(tmp_path / "out") == before


def test_a_shorter_preset_is_refused_whichever_command_came_last(bench, tmp_path):
    """Also for a run that the manifest of the last command does not name."""
    bench("out", PRESETS, preset="long", seeds=[0])
    bench("out", PRESETS, preset="long", seeds=[1])
    before = content(tmp_path / "out")
    for seed in (0, 1):
        with pytest.raises(GanZooError, match=rf"seed {seed} trained for 1,600 images, not 160") as error:
            bench("out", PRESETS, seeds=[seed])
        assert "--force" in str(error.value)
    assert content(tmp_path / "out") == before


def test_another_num_samples_keeps_the_training_and_measures_the_end_again(bench, tmp_path):
    bench("out", seeds=[0])
    notices = Notices()
    bench("out", ("num_samples = 140\nbatch", "num_samples = 130\nbatch"), seeds=[0], listener=notices)
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert set(metrics["num_samples"]) == {130}
    assert set(metrics.query("variant == 'sibling'")["step"]) == {10}
    assert len([text for text in notices.texts if "not evaluated there" in text]) == 2
    for path in (tmp_path / "out" / "records").glob("sibling-*.jsonl"):
        assert path.read_text().count('"row":"begin"') == 1
    bench("whole", ("num_samples = 140\nbatch", "num_samples = 130\nbatch"), seeds=[0])
    whole = pd.read_csv(tmp_path / "whole" / "metrics.csv").query("step != 4").reset_index(drop=True)
    pd.testing.assert_frame_equal(metrics.drop(columns="seconds"), whole.drop(columns="seconds"))
