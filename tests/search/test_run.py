"""A search from suite to winners, on variants that train in a moment."""

import json
import math

import pandas as pd
import pytest
from filelock import FileLock

from gan_zoo import GanZooError
from gan_zoo.bench.plan import make_plan
from gan_zoo.bench.suite import read_suite
from gan_zoo.options import EXACT, RunOptions
from gan_zoo.search import run as running
from gan_zoo.search import search_suite

OUTPUTS = ("trials.csv", "curve.csv", "search.csv", "search.md", "search.html", "winners.toml", "search.json")
SETTINGS = ["lr", "beta1", "discriminator_steps"]


@pytest.fixture
def search(tmp_path, toys, suite):
    """Search the suite of the toys, in this process."""

    def run(out="out", *changes, **options):
        arguments = {"trials": 2, "preset": "smoke", "plugins": [toys], "jobs": 1} | options
        return search_suite(suite(*changes), tmp_path / out, **arguments)

    return run


def runs(folder):
    """The rows of every run of a search by its name."""
    return {path.stem: path.read_text() for path in (folder / "trials" / "records").glob("*.jsonl")}


def test_every_variant_has_the_same_number_of_trials_beside_its_default(search, tmp_path):
    lines = []
    found = search(say=lines.append)
    assert lines[0] == "by_heart: lr 1e-05 to 0.01 (log); beta1 0 to 1; discriminator_steps 1 or 5"
    frame = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert frame.groupby("variant")["trial"].apply(list).to_dict() == {"by_heart": [0, 1], "sibling": [0, 1]}
    assert list(frame) == ["variant", "trial", *SETTINGS, "value", "status", "seconds"]
    assert len(runs(tmp_path / "out")) == 1 + 2 * (2 + 1)
    assert {trial.variant for trial in found.defaults} == {"by_heart", "sibling"}
    assert not found.errors
    curve = pd.read_csv(tmp_path / "out" / "curve.csv").set_index(["variant", "k"])["expected"]
    for name, trials in frame.groupby("variant"):
        assert curve[name, 1] == pytest.approx(trials["value"].mean())
        assert curve[name, 2] == pytest.approx(trials["value"].min())
    # The value is the last one measured, and the settings are those that were trained.
    for trial in found.trials:
        prefix = f"{trial.variant}_trial0{trial.number}-"
        (text,) = (text for name, text in runs(tmp_path / "out").items() if name.startswith(prefix))
        rows = [json.loads(line) for line in text.splitlines()]
        assert trial.value == [row for row in rows if row["row"] == "metrics"][-1]["values"]["fid"]
        trained = rows[0]["identity"]["variant"]
        for side in ("generator_optimizer", "discriminator_optimizer"):
            assert trained[side]["settings"] == {"lr": trial.params["lr"], "betas": [trial.params["beta1"], 0.999]}
        assert trained["discriminator_steps"] == trial.params["discriminator_steps"]


def test_outputs_name_the_seeds_and_no_path(search, tmp_path, toys):
    found = search(device="cpu", data_root=tmp_path, precision=EXACT)
    assert found.written.report == tmp_path / "out" / "search.html"
    for name in OUTPUTS:
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text(encoding="utf-8")
    text = (tmp_path / "out" / "search.md").read_text(encoding="utf-8")
    assert "each trained once, with seed 5" in text
    options = "--device cpu --jobs 1`"
    assert f"`gan-zoo bench winners.toml --preset smoke --plugin toys.py {options} runs each" in text
    assert f"--plugin {toys} --data-root {tmp_path} {options[:-1]}" in found.written.command
    assert f'precision = "{EXACT}"' in found.written.winners.read_text(encoding="utf-8")
    assert (tmp_path / "out" / "figures" / "expected_best.png").stat().st_size > 10_000
    assert "data:image/png;base64," in (tmp_path / "out" / "search.html").read_text(encoding="utf-8")


def test_the_winners_are_run_with_seeds_that_the_search_did_not_use(search, tmp_path, toys):
    found = search()
    plan = make_plan(RunOptions(suite=read_suite(found.written.winners), preset="smoke", plugins=[toys]))
    names = [variant.display_name for variant in plan.variants]
    assert names == ["by_heart", "by_heart_tuned", "sibling", "sibling_tuned"]
    used = {json.loads(text.splitlines()[0])["seed"] for text in runs(tmp_path / "out").values()}
    assert used == {5}
    assert len(plan.seeds) == 5
    assert used.isdisjoint(plan.seeds)
    best = min((trial for trial in found.trials if trial.variant == "sibling"), key=lambda trial: trial.value)
    assert plan.variants[3].generator_optimizer.settings["lr"] == best.params["lr"]


def test_called_again_it_trains_nothing(search, tmp_path):
    search()
    before = runs(tmp_path / "out")
    outputs = {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUTS}
    search()
    assert runs(tmp_path / "out") == before
    assert {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUTS} == outputs


def test_more_trials_and_variants_are_added(search, tmp_path):
    first = search(trials=1, variants=["by_heart"])
    before = runs(tmp_path / "out")
    search(trials=3)
    after = runs(tmp_path / "out")
    assert before.items() <= after.items()
    frame = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert frame["variant"].value_counts().to_dict() == {"by_heart": 3, "sibling": 3}
    assert frame["value"].iloc[0] == first.trials[0].value
    search(trials=2)
    assert runs(tmp_path / "out") == after
    assert len(pd.read_csv(tmp_path / "out" / "trials.csv")) == 4


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ((), {"seed": 1}, "(seed 0, not 1; training seed 5, not 6"),
        ((), {"preset": "full"}, "(preset smoke, not full; "),
        ((("num_samples = 140", "num_samples = 130"),), {}, "(measured.digits-cnn.num_samples 140, not 130)"),
        ((("[presets.smoke]", "[search]\nbeta1 = false\n[presets.smoke]"),), {}, "(ranges.beta1 {'low': 0.0"),
        ((("batch_size = 16", "batch_size = 8"),), {}, "variants.by_heart.variant.batch_size 16, not 8"),
    ],
)
def test_another_searchs_folder_is_refused(search, tmp_path, changes, options, message):
    search(trials=1, variants=["by_heart"])
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(GanZooError, match=r"holds another search .*; name another --out$") as error:
        search("out", *changes, **{"trials": 1, "variants": ["by_heart"]} | options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("text", ["{", "[]", '{"variants": 3}'])
def test_damaged_settings_are_one_line(search, tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "search.json").write_text(text)
    with pytest.raises(GanZooError, match=r"search\.json .*name another --out$"):
        search(trials=1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("manifest.json", "{}", r"holds a comparison \(manifest\.json\); name another --out$"),
        ("trials/manifest.json", "{}", r"holds trials, but no search\.json; name another --out$"),
    ],
)
def test_a_folder_of_something_else_is_refused_and_stays(search, tmp_path, name, text, message):
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text(text)
    with pytest.raises(GanZooError, match=message):
        search(trials=1)
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != ".lock"]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in left] == [name]


def test_another_run_in_the_folder_is_refused(search, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(GanZooError, match="is writing to"):
        search()


def test_failures_count_with_the_worst_value(search, tmp_path):
    found = search("out", ('"sibling"', '"diverges", "collapses"'))
    frame = pd.read_csv(tmp_path / "out" / "trials.csv").set_index(["variant", "trial"])
    assert set(frame.loc["diverges", "status"]) == {"diverged"}
    assert set(frame.loc["collapses", "status"]) == {"collapsed"}
    worst = max(trial.value for trial in [*found.defaults, *found.trials] if math.isfinite(trial.value))
    curve = pd.read_csv(tmp_path / "out" / "curve.csv").set_index("variant")
    for name in ("diverges", "collapses"):
        assert curve.loc[name, "expected"].to_numpy() == pytest.approx([worst, worst])
    assert found.written.table["failed"] == ["0 of 2", "2 of 2", "2 of 2"]
    winners = read_suite(found.written.winners)
    assert winners.variants == ["by_heart", "by_heart_tuned", "diverges", "collapses"]
    assert "diverges and collapses" in (tmp_path / "out" / "search.md").read_text(encoding="utf-8")


def test_an_error_is_a_line_and_is_run_again(search, tmp_path):
    found = search("out", ('"sibling"', '"raises"'))
    assert len(found.errors) == 3
    assert all("a planned failure" in line for line in found.errors)
    assert len(search("out", ('"sibling"', '"raises"')).errors) == 3


def test_a_search_that_measures_nothing_is_refused(search, tmp_path, monkeypatch):
    make = running.make_plan
    monkeypatch.setattr(running, "make_plan", lambda options: running.replace(make(options), extractors=()))
    with pytest.raises(GanZooError, match="nothing would be measured"):
        search()
    assert not (tmp_path / "out").exists()
