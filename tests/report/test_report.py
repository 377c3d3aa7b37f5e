import csv
import html
import re
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report import context
from gan_zoo.report.context import write_report
from gan_zoo.report.tables import ranking_table

FIGURES = ("fid_images", "fid_discriminator_steps", "fid_seconds", "pareto", "is", "bars", "losses", "scores")


def words(page: Path) -> str:
    """The text of a page, without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


@pytest.fixture(scope="module")
def report(mixed_folder: Path) -> Path:
    return write_report(mixed_folder)


def test_page_stands_alone(report):
    page = report.read_text()
    resources = re.findall(r'\b(?:src|href|srcset|data|poster)="(.*?)"', page)
    assert len(resources) > len(FIGURES)
    assert all(resource.startswith("data:") for resource in resources)
    assert not re.search(r"@import|url\(|<(script|iframe|object|embed)", page)
    assert report.stat().st_size < 6 << 20


def test_page_escapes_text_of_the_records(report):
    assert "<b>linear</b>" not in report.read_text()
    assert "LSGAN <b>linear</b>" in words(report)


EVIL = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) $\\frac$ \x1b[31m"


def test_text_of_others_is_neither_html_nor_a_link_nor_a_command_for_the_terminal(make_folder):
    def change(row):
        texts = {"title": EVIL, "paper": "javascript:alert(1)", "objective": f"{EVIL}|", "message": EVIL}
        return row | texts if row["row"] in ("begin", "end") else row

    data = {"name": "mnist", "train": 60000, "test": 10000, "title": EVIL, "note": EVIL, "class_names": [EVIL] * 10}
    changed = {"preset": EVIL, "device": EVIL, "command": EVIL, "notices": [EVIL], "data": data}
    folder = make_folder(["gan", "cgan"], seeds=1, change=change, title=EVIL, **changed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's would print the characters that no font has
        page = write_report(folder)
    assert "<img src=x" not in page.read_text()
    text = (folder / "report.md").read_text()
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(javascript|\x1b", text)


def test_a_metric_of_others_is_no_html(make_folder, monkeypatch):
    monkeypatch.setitem(METRICS, "mine", METRICS["fid"])  # It is removed at the end.
    del METRICS["mine"]
    evil = asdict(METRICS["fid"]) | {
        "bounds": [0, None],
        "module": "os",
        "name": "mine",
        "title": '"><script>alert(1)</script>',
    }

    def change(row):
        return row | {"values": row["values"] | {"mine": 1.0}} if row["row"] == "metrics" else row

    page = write_report(make_folder(["gan"], seeds=1, change=change, metrics={"mine": evil}))
    assert "<script" not in page.read_text()


def test_text_of_tables_is_text_in_a_spreadsheet(make_folder):
    folder = make_folder(["gan"], seeds=1, change=lambda row: row | {"title": "=1+1", "paper": "007", "message": "NA"})
    write_report(folder)
    with (folder / "runs.csv").open(newline="") as file:
        (row, *_) = csv.DictReader(file)
    assert (row["title"], row["paper"], row["message"]) == ("'=1+1", "007", "NA")


def test_page_begins_with_the_ranking(report):
    text = words(report)
    titles = ["Ranking", "Comparisons", "Best and final", "Time to target", "Figures", "Samples", "All metrics"]
    order = [text.index(title) for title in [*titles, "Failures", "Runs", "Methods", "Protocol"]]
    assert order == sorted(order)
    for part in (
        *("num_samples 2,000", "mnist-cnn", "floor: training images", "3 seeds: 3 diverged", "0123abcd"),
        *("batch 128 (article: 512)", "generator loss was not finite"),
    ):
        assert part in text


def test_markdown_refers_to_files_that_are_there(report):
    text = (report.parent / "report.md").read_text()
    references = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(references) > len(FIGURES)
    assert all((report.parent / reference).is_file() for reference in references)
    assert "<b>" not in text.replace(r"\<b", "")
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_there_and_not_empty(report, name):
    with Image.open(report.parent / "figures" / f"{name}.png") as image:
        assert image.width >= 700
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20


def test_ranking_table(mixed_folder):
    table = ranking_table(mixed_folder)
    assert [place.removesuffix("=") for place in table["rank"]] == ["1", "2", "3", "4", "", ""]
    assert list(table["variant"][-2:]) == ["real", "wgan_weight_clipping"]
    fids = [float(text.split()[0].replace(",", "")) for text in table["FID"][:4]]
    assert fids == sorted(fids)
    dcgan = table.set_index("variant").loc["dcgan†"]
    assert (dcgan["seeds"], dcgan["failures"]) == ("2", "1")
    assert re.fullmatch(r"[\d.,]+ \[[\d.,]+, [\d.,]+\]", dcgan["FID"])


def test_each_extractor_has_a_table_of_its_own(make_folder):
    folder = make_folder(["gan"], seeds=1, inception=True)
    text = (write_report(folder).parent / "report.md").read_text()
    tables = dict(re.findall(r"### Features of (\S+)\n(.*?)(?=\n###)", text, flags=re.DOTALL))
    assert list(tables) == ["mnist-cnn", "inception"]
    assert "Not comparable" in tables["inception"]
    assert "Precision" in tables["mnist-cnn"]
    assert "Precision" not in tables["inception"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"statuses": {("gan", 0): "diverged"}}, "No variant has a successful seed"),
        ({"extractors": {}}, "Nothing was measured, so there is no ranking"),
        ({"change": lambda row: None}, "2 of 2 runs not started"),
    ],
    ids=["all failed", "nothing measured", "nothing recorded"],
)
def test_without_a_ranking_the_report_says_why(make_folder, settings, message):
    folder = make_folder(["gan"], seeds=1, **settings)
    text = words(write_report(folder))
    assert message in text
    assert "inception left out" in text
    assert "1" not in ranking_table(folder)["rank"].tolist()


def test_a_run_that_begins_while_the_report_is_written_is_in_the_next_one(make_folder, monkeypatch):
    folder = make_folder(["gan"], seeds=2)
    late = folder / "records" / "gan-seed1-0a1b2c3d.jsonl"
    late.rename(folder / "late")
    monkeypatch.setattr(context, "write_figures", lambda *_: (folder / "late").rename(late) and {})
    assert "1 of 4 runs not started" in words(write_report(folder))
    monkeypatch.setattr(context, "write_figures", lambda *_: {})
    assert "not started" not in words(write_report(folder))


def test_an_unreadable_image_is_noticed(make_folder):
    folder = make_folder(["gan"], seeds=1)
    (folder / "records/gan-seed0-0a1b2c3d/grid-000200.png").unlink()
    (folder / "records/gan-seed0-0a1b2c3d/grid-000500.png").write_bytes(b"\x89PNG not an image")
    assert "2 recorded files unreadable" in words(write_report(folder))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [(None, "not a results folder"), ("{", "damaged"), ('{"runs": []}', "key 'data' is missing")],
)
def test_bad_folders(tmp_path, manifest, message):
    if manifest:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(GanZooError, match=message):
        write_report(tmp_path)
    with pytest.raises(GanZooError, match="does not exist"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["samples", "figures"])
def test_nothing_behind_a_link_is_written_or_removed(make_folder, tmp_path, name):
    folder, other = make_folder(["gan"], seeds=1), tmp_path / "other"
    other.mkdir()
    (other / "mnist-gan-seed0-step1.png").touch()
    (folder / name).symlink_to(other)
    with pytest.raises(GanZooError, match="lies outside"):
        write_report(folder)
    assert [path.name for path in other.iterdir()] == ["mnist-gan-seed0-step1.png"]


def test_a_folder_whose_runs_have_not_begun_has_a_report(make_folder):
    folder = make_folder(["gan"], seeds=1)
    shutil.rmtree(folder / "records")
    page = words(write_report(folder))
    assert "not started" in page
    assert ranking_table(folder).empty
