"""What the commands show: lists, settings, data, the machine and rankings, on narrow terminals too."""

import json

import pandas as pd
import pytest
from rich.console import Console

from gan_zoo import registry
from gan_zoo.cli import ranking


def lines(said):
    assert said.status == 0, said.err
    return said.out.splitlines()


def test_list_as_json(gan_zoo, toys):
    said = gan_zoo("list", "--json", "--plugin", toys)
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert sorted(rows) == registry.names()
    assert {"gan", "cgan", "dcgan", "lsgan", "by_heart"} <= set(rows)
    assert rows["gan"]["parameters"] == {"generator": 1_756_288, "discriminator": 1_705_985}
    assert rows["dcgan"]["hyperparameters"] == {"width": 128}
    assert rows["cgan"]["conditioning"] == "both"


@pytest.mark.parametrize("columns", [80, 120])
def test_list_keeps_names_and_papers_whole(gan_zoo, columns):
    shown = lines(gan_zoo("list", columns=columns))
    assert max(map(len, shown)) <= columns
    for name in registry.names():
        assert any(line.split()[:1] == [name] and registry.get(name).paper in line for line in shown)
    assert any("1.76M + 1.71M" in line for line in shown) == (columns == 120)


@pytest.mark.parametrize("name", ["gan", "lsgan", "dcgan28"])
def test_show(gan_zoo, name):
    said = gan_zoo("show", name, columns=80)
    assert said.status == 0
    variant = registry.get(name)
    for text in (variant.title, variant.paper, variant.objective.title, str(variant.latent), "Adam, lr 0.0002"):
        assert text in said.out
    for deviation in variant.deviations:
        assert f"  - {deviation}" in said.out
    assert "<function" not in said.out
    assert "{" not in said.out


def test_show_a_plugin_with_brackets_in_its_title(gan_zoo, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dataclasses import replace\nfrom gan_zoo.registry import get, register\n"
        "@register('mine')\ndef mine(*, size: int = 3):\n"
        "    return replace(get('gan'), title='Mine [bold]', deviations=())\n",
        encoding="utf-8",
    )
    said = gan_zoo("show", "mine", "--plugin", plugin)
    assert "mine: Mine [bold]" in said.out
    assert "no deviations from its paper are listed" in said.out
    assert "size 3" in said.out
    assert "Mine [bold]" in gan_zoo("list", "--plugin", plugin).out


def test_data_that_is_not_here(gan_zoo, nothing_here):
    shown = lines(gan_zoo("data", columns=80))
    assert next(line for line in shown if line.startswith(" digits")).split()[1:4] == ["1,297", "500", "10"]
    assert next(line for line in shown if line.startswith(" fashion_mnist")).endswith("not here ")
    (absent,) = [line for line in shown if line.startswith("not here: ")]
    assert all(word in absent for word in ("cifar10", "emnist", "mnist", "stl10", "svhn", "--data-root"))
    assert any(line.startswith("folder:PATH") for line in shown)
    assert any(line.startswith("digits: embedded 8x8 digits") for line in shown)
    assert list(nothing_here.rglob("*ubyte*")) == []


def test_doctor_looks_and_downloads_nothing(gan_zoo, nothing_here, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_a, **_k: pytest.fail("doctor downloads"))
    said = gan_zoo("doctor", columns=200)
    rows = {line.split("  ")[1].strip(): line for line in lines(said) if line.startswith("  ")}
    assert {"device", "torch", "data: mnist", "extractor: digits-cnn", "variants", "plugins installed"} <= set(rows)
    assert "1,297 + 500 images" in rows["data: digits"]
    assert "60,000 + 10,000 images" in rows["data: mnist"]
    assert "not here" in rows["data: fashion_mnist"]
    assert "verified, test accuracy 99" in rows["extractor: mnist-cnn"]
    assert "not here" in rows["extractor: inception"]


def test_doctor_reports_a_gpu_that_is_not_used(gan_zoo, nothing_here, monkeypatch, tmp_path):
    monkeypatch.setattr("gan_zoo.engine.device._GPU", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert any("is not used: torch" in line for line in lines(gan_zoo("doctor", columns=300)))


def test_doctor_on_wrong_inception_weights(gan_zoo, nothing_here, tmp_path):
    (tmp_path / "wrong.pth").write_bytes(b"no weights")
    said = gan_zoo("doctor", "--inception-weights", tmp_path / "wrong.pth", columns=300)
    assert any("extractor: inception" in line and "not the standard file" in line for line in lines(said))


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
    "n": 2000,
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
    monkeypatch.setattr(ranking, "read_manifest", lambda _folder: MANIFEST)
    monkeypatch.setattr(ranking, "ranking_table", lambda _folder: RANKING)
    ranking.print_ranking(tmp_path, Console(width=columns))
    title, _, head, rule, first, second, *notes = capsys.readouterr().out.splitlines()
    assert title == "MNIST, preset quick, num_samples 2000, a CPU, mnist-cnn"
    assert [name.strip() for name in head.split("  ") if name.strip()] == COLUMNS[: COLUMNS.index(last) + 1]
    assert max(map(len, (head, rule, first, second))) <= columns
    assert first.split()[:2] == ["1", "lsgan_linear†"]
    assert "overrides of the preset" in " ".join(notes)
    assert any("no significance test" in note for note in notes) == (len(MANIFEST["seeds"]) < 3)


def test_report_writes_all_anew(gan_zoo, finished):
    before = {path.name: path.read_bytes() for path in finished.glob("*.csv")}
    for path in (*finished.glob("*.csv"), finished / "report.html", finished / "report.md"):
        path.unlink()
    said = gan_zoo("report", finished, columns=80)
    shown = lines(said)
    assert {path.name: path.read_bytes() for path in finished.glob("*.csv")} == before
    assert (finished / "report.html").stat().st_size > 10_000
    assert shown[-1] == f"report: {finished / 'report.html'}"
    assert max(map(len, shown[1:-1])) <= 80


def test_bench_ends_with_the_ranking_and_the_report(finished):
    shown = (finished.parent / "said").read_text(encoding="utf-8").splitlines()
    assert shown[-1].startswith("report: ")
    assert shown[-1].endswith("report.html")
    assert any(line.startswith("note:") and "not comparable with MNIST" in line for line in shown)
    assert any(line.startswith("[5/6] cgan seed 1: ") for line in shown)
    assert any(line.split()[:1] == ["1"] and "by_heart" in line for line in shown)
    assert "2 seeds: no significance test" in shown


def test_doctor_says_of_a_missing_root_what_needs_it(gan_zoo, tmp_path):
    shown = lines(gan_zoo("doctor", "--data-root", tmp_path / "nowhere", columns=300))
    rows = {line.split("  ")[1].strip(): line for line in shown if line.startswith("  ")}
    assert "1,297 + 500 images" in rows["data: digits"]
    assert "does not exist" in rows["data: fashion_mnist"]


def test_list_counts_what_is_trained(gan_zoo):
    """Shapes alone are made, yet every parameter counts."""
    for row in json.loads(gan_zoo("list", "--json").out):
        variant = registry.get(row["name"])
        networks = variant.build((1, row["side"], row["side"]), 10)
        real = {key: sum(p.numel() for p in network.parameters()) for key, network in networks._asdict().items()}
        assert row["parameters"] == real


ODD = """
from dataclasses import replace
from torch import nn
from gan_zoo.registry import get, register


def networks(spec):
    generator, discriminator = get("gan").networks(spec)
    {body}
    return generator, discriminator


@register("odd")
def odd():
    return replace(get("gan"), networks=networks)
"""


@pytest.mark.parametrize("words", [("list",), ("show", "odd")])
def test_networks_that_compute_with_their_first_weights(gan_zoo, tmp_path, words):
    (tmp_path / "odd.py").write_text(ODD.format(body="assert next(generator.parameters()).mean().item() < 1"))
    said = gan_zoo(*words, "--plugin", "odd.py", columns=200)
    assert said.status == 0, said.err
    assert "odd" in said.out


@pytest.mark.parametrize("words", [("list",), ("show", "odd")])
@pytest.mark.parametrize("body", ["raise KeyError('width')", "nn.Linear(3, -1)"])
def test_networks_that_cannot_be_made(gan_zoo, tmp_path, words, body):
    (tmp_path / "odd.py").write_text(ODD.format(body=body))
    error = gan_zoo(*words, "--plugin", "odd.py").error
    assert "the networks of variant 'odd'" in error
    assert "odd.py" in error


@pytest.mark.parametrize("words", [("list",), ("show", "odd")])
def test_a_factory_that_raises(gan_zoo, tmp_path, words):
    text = "from gan_zoo.registry import register\n@register('odd')\ndef odd():\n    raise KeyError('width')\n"
    (tmp_path / "odd.py").write_text(text)
    error = gan_zoo(*words, "--plugin", "odd.py").error
    assert "variant 'odd' cannot be made with (): KeyError: 'width'" in error
    assert "odd.py" in error
