"""What the commands print: lists, settings, data, the machine and rankings, on narrow terminals too."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
import rich

from gan_zoo import data, registry
from gan_zoo.cli import facts, index, results
from gan_zoo.cli.inspect import EXPLAINED
from gan_zoo.metrics.classifier import WEIGHTS, load_classifier
from gan_zoo.metrics.custom import register_metric
from gan_zoo.variant import Variant


def lines(result):
    assert result.status == 0, result.err
    return result.out.splitlines()


def test_list_as_json(gan_zoo, toys):
    result = gan_zoo("list", "--json", "--plugin", toys)
    rows = {row["name"]: row for row in json.loads(result.out)}
    assert sorted(rows) == registry.names()
    assert list(rows)[:3] == ["gan", "cgan", "dcgan"]
    assert rows["dcgan"]["hyperparameters"] == {"width": 128}
    assert rows["cgan"]["conditioning"] == "both"
    assert rows["wgan_gp"]["year"] == "2017"
    assert rows["by_heart"]["title"] == registry.get("by_heart").title


def test_list_has_a_line_a_variant_and_all_columns_at_80_characters(gan_zoo):
    head, *rows = lines(gan_zoo("list", columns=80))
    assert head.split() == ["name", "title", "loss", "networks", "labels", "year"]
    assert max(map(len, rows)) <= 80
    records = index.records(None)
    for record, line in zip(records, rows, strict=False):
        assert line.split()[0] == record["name"]
        assert line.endswith(record["year"])
        assert record["backbone"].partition(",")[0] in line.split()
    assert rows[len(records)] == "", "one line each"


@pytest.mark.parametrize("words", [(), ("--long",)])
@pytest.mark.parametrize("columns", [50, 80])
def test_a_list_that_is_too_wide_breaks_lines_and_leaves_nothing_out(gan_zoo, columns, words):
    narrow = lines(gan_zoo("list", "--filter", "*wgan*", *words, columns=columns))
    wide = lines(gan_zoo("list", "--filter", "*wgan*", *words, columns=300))
    assert sorted(" ".join(narrow).split()) == sorted(" ".join(wide).split())
    assert len(wide) < len(narrow) or columns == 80


def test_a_filtered_list(gan_zoo):
    named = [row["name"] for row in json.loads(gan_zoo("list", "--json", "--filter", "wgan*").out)]
    assert named == ["wgan", "wgan_gp"]
    assert "--filter 'wagn*' matches no variant" in gan_zoo("list", "--filter", "wagn*").error


@pytest.mark.parametrize("name", ["gan", "lsgan", "dcgan_keras"])
def test_show(gan_zoo, name):
    result = gan_zoo("show", name, columns=80)
    assert max(map(len, lines(result))) <= 80
    variant, text = registry.get(name), " ".join(result.out.split())
    arxiv = variant.paper.removeprefix("arXiv ")
    for part in (variant.title, f"https://arxiv.org/abs/{arxiv}", variant.objective.title, str(variant.latent)):
        assert part in text
    assert "Adam, lr 0.0002" in text
    for deviation in variant.deviations:
        assert f"- {deviation}" in text
    assert "<function" not in text


def test_show_lists_and_explains_what_differs_from_the_default(gan_zoo):
    assert set(EXPLAINED) == {field.name for field in dataclasses.fields(Variant)} - {*facts.OWN_KEYS}
    text = lines(gan_zoo("show", "wgan_gp", columns=100))
    start = text.index("settings other than the default:") + 1
    assert [line.split()[0] for line in text[start : start + 3]] == ["norm", "discriminator_steps", "initialization"]
    assert text[start + 1] == "  discriminator_steps = 5: discriminator steps in each iteration"
    assert "settings other than the default:" not in lines(gan_zoo("show", "gan"))


PLUGIN = """
from dataclasses import replace
from torch import nn
from gan_zoo.registry import get, register


def networks(spec):
    generator, discriminator = get("gan").networks(spec)
    {networks}
    return generator, discriminator


@register("mine")
def mine(*, size: int = 3):
    {function}
    return replace(get("gan"), title="Mine [bold]", paper="A book, 1999", deviations=(), networks=networks)
"""


def test_a_plugin_in_list_and_show(gan_zoo, tmp_path):
    """Its networks may compute with their first weights."""
    text = PLUGIN.format(networks="assert next(generator.parameters()).mean().item() < 1", function="")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    result = gan_zoo("show", "mine", "--plugin", "mine.py")
    assert "mine: Mine [bold] (1999)" in result.out
    assert "deviations from the paper: none listed" in result.out
    assert "size=3" in result.out
    assert "Mine [bold]" in gan_zoo("list", "--plugin", "mine.py").out


@pytest.mark.parametrize("words", [("list",), ("show", "mine")])
@pytest.mark.parametrize(
    ("networks", "function", "key"),
    [
        ("raise KeyError('width')", "", "networks of variant 'mine'"),
        ("nn.Linear(3, -1)", "", "networks of variant 'mine'"),
        ("", "raise KeyError('width')", "variant 'mine' cannot be made"),
        ("raise type('Odd', (BaseException,), {})", "", "networks of variant 'mine'"),
        ("", "raise type('Odd', (BaseException,), {})", "variant 'mine' cannot be made"),
        ("raise type('Odd', (Exception,), {'__str__': lambda _: 1 / 0})", "", "Odd, which has no message"),
        ("", "raise type('Odd', (Exception,), {'__str__': lambda _: 1 / 0})", "Odd, which has no message"),
    ],
)
def test_a_variant_or_networks_that_cannot_be_made(gan_zoo, tmp_path, words, networks, function, key):
    (tmp_path / "odd.py").write_text(PLUGIN.format(networks=networks, function=function))
    error = gan_zoo(*words, "--plugin", "odd.py").error
    assert key in error
    assert "odd.py" in error


def test_data_sets_are_listed(gan_zoo):
    text = lines(gan_zoo("data", columns=80))
    assert max(map(len, text)) <= 80
    found = [line.split()[0] for line in text if line[:1].isalpha()]
    assert found[1 : len(data.names()) + 2] == [*data.names(), "folder:PATH"]
    assert "60,000 training" in next(line for line in text if line.startswith("mnist"))


def test_doctor_looks_and_downloads_nothing(gan_zoo, nothing_here, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_a, **_k: pytest.fail("doctor downloads"))
    monkeypatch.setattr("gan_zoo.device._GPU", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    result = gan_zoo("doctor", columns=300)
    rows = {line.split("  ")[1].strip(): line for line in lines(result) if line.startswith("  ")}
    assert {"device", "torch", "data: mnist", "extractor: digits-cnn", "variants", "plugins"} <= set(rows)
    assert "is not used: torch" in rows["GPU"]
    assert "1,297 + 500 images" in rows["data: digits"]
    assert "60,000 + 10,000 images" in rows["data: mnist"]
    assert "not here" in rows["data: fashion_mnist"]
    assert "verified, test accuracy 99" in rows["extractor: mnist-cnn"]
    assert "not here" in rows["extractor: inception"]


def test_doctor_lists_what_a_plugin_adds(gan_zoo, nothing_here, monkeypatch, tmp_path):
    monkeypatch.setattr("gan_zoo.cli.environment._state_of_extractor", lambda *_: "")
    (tmp_path / "mine.py").write_text(
        "import gan_zoo\n\n@gan_zoo.register_extractor('edges')\ndef edges(device):\n    return lambda x: x\n\n"
        "from gan_zoo.errors import GanZooError\n\n"
        "@gan_zoo.register_dataset('stripes', files=False)\ndef stripes(request):\n    raise GanZooError('broken')\n"
    )
    result = gan_zoo("doctor", "--plugin", "mine.py", columns=300)
    rows = {line.split("  ")[1].strip(): line for line in lines(result) if line.startswith("  ")}
    assert "extractor: edges" in rows
    assert "broken" in rows["data: stripes"]
    assert "mine.py" in rows["plugins"]


@pytest.mark.parametrize("text", ["{", "[]", '{"sha256": 5}'])
def test_doctor_names_a_damaged_card_and_goes_on(gan_zoo, monkeypatch, tmp_path, text):
    monkeypatch.setattr(load_classifier, "__defaults__", (tmp_path,))
    for file in WEIGHTS.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "digits-cnn.json").write_text(text, encoding="utf-8")
    out = " ".join(lines(gan_zoo("doctor", columns=300)))
    assert "digits-cnn.json is damaged" in out
    assert "mnist-cnn verified" in " ".join(out.split())
    assert "plugins none" in " ".join(out.split())


RANKING = pd.DataFrame(
    {
        "rank": ["1", ""],
        "variant": ["lsgan_linear†", "real"],
        "FID": ["12.3 [9.87, 15.4]", "3.21 [3.00, 3.40]"],
        "Inception Score": ["8.10", "9.50"],
        "KID": ["0.0123", "0.00012"],
        "Precision": ["0.900", "0.990"],
        "Recall": ["0.800", "0.980"],
        "Coverage": ["0.700", "0.970"],
        "Label accuracy": ["0.912", "1.00"],
        "seeds": ["5", "5"],
        "failures": ["0", "0"],
        "minutes": ["1.20", "–"],  # noqa: RUF001
    }
)
MANIFEST = {
    "data": {"name": "mnist", "title": "MNIST"},
    "preset": "quick",
    "num_samples": 2000,
    "device": "a CPU",
    "extractors": {"inception": {}, "mnist-cnn": {}},
    "seeds": [0, 1],
}
COLUMNS = [
    "rank",
    "variant",
    "FID [95%]",
    "KID",
    "label acc.",
    "seeds",
    "failed",
    "IS",
    "prec.",
    "rec.",
    "cov.",
    "minutes",
]


@pytest.mark.parametrize(
    ("columns", "last"),
    [(80, "failed"), (90, "prec."), (120, "minutes"), (45, "FID [95%]"), (25, "variant"), (200, "minutes")],
)
def test_a_ranking_fits_the_terminal(monkeypatch, tmp_path, capsys, columns, last):
    monkeypatch.setattr(results, "read_results", lambda _folder: SimpleNamespace(manifest=MANIFEST))
    monkeypatch.setattr(results, "answer", lambda _results: SimpleNamespace(headline="One leads.", trust="2 seeds."))
    monkeypatch.setattr(results, "ranking_table", lambda _folder: RANKING)
    rich.reconfigure(width=columns)
    results.print_ranking(tmp_path)
    title, answer, _, head, rule, first, second, *notes = capsys.readouterr().out.splitlines()
    assert answer == "One leads. 2 seeds."
    assert title == "MNIST, preset quick, num_samples 2000, a CPU, mnist-cnn"
    assert [name.strip() for name in head.split("  ") if name.strip()] == COLUMNS[: COLUMNS.index(last) + 1]
    assert max(map(len, (head, rule, first, second))) <= columns
    assert first.split()[:2] == ["1", "lsgan_linear†"]
    assert "overrides of the preset" in " ".join(notes)
    assert any("no significance test" in note for note in notes)
    hidden = [note.removeprefix("not shown at this width: ").split(", ") for note in notes if "not shown" in note]
    assert hidden == ([COLUMNS[COLUMNS.index(last) + 1 :]] if last != COLUMNS[-1] else [])


def test_a_metric_of_a_plugin_is_beside_the_one_that_ranks(monkeypatch, tmp_path, capsys, own_registry):
    register_metric("mean_gap", better="lower", title="Mean gap")(lambda fake, real: 0.0)
    monkeypatch.setattr(results, "read_results", lambda _folder: SimpleNamespace(manifest=MANIFEST))
    monkeypatch.setattr(results, "answer", lambda _results: SimpleNamespace(headline="One leads.", trust="2 seeds."))
    monkeypatch.setattr(results, "ranking_table", lambda _folder: RANKING.assign(**{"Mean gap": "0.5"}))
    rich.reconfigure(width=80)
    results.print_ranking(tmp_path)
    head = capsys.readouterr().out.splitlines()[3]
    assert [name.strip() for name in head.split("  ") if name.strip()][2:5] == ["FID [95%]", "Mean gap", "KID"]


@pytest.mark.slow
def test_report_writes_everything_again(gan_zoo, finished):
    before = {path.name: path.read_bytes() for path in finished.glob("*.csv")}
    for path in (*finished.glob("*.csv"), finished / "report.html", finished / "report.md"):
        path.unlink()
    text = lines(gan_zoo("report", finished, columns=80))
    assert {path.name: path.read_bytes() for path in finished.glob("*.csv")} == before
    assert (finished / "report.html").stat().st_size > 10_000
    assert text[-1] == f"report: {finished / 'report.html'}"
    assert max(map(len, text[1:-1])) <= 80
