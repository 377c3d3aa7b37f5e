import csv
import html
import math
import re
import shutil
import warnings
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from gan_zoo.bench.folder import read_manifest
from gan_zoo.bench.tables import read_results
from gan_zoo.errors import GanZooError
from gan_zoo.metrics.registry import METRICS
from gan_zoo.report import context
from gan_zoo.report.context import protocol, write_report
from gan_zoo.report.tables import ranking_table
from gan_zoo.statistics import MINIMUM_SEEDS
from gan_zoo.text import NOTHING, count, interval, number

PICTURES = ("curve", "samples", "cost")


def words(page: Path) -> str:
    """The text of a page, without its tags, styles and script."""
    bare = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", bare))


@pytest.fixture(scope="module")
def report(mixed_folder: Path) -> Path:
    return write_report(mixed_folder)


def test_page_stands_alone(report):
    page = report.read_text()
    resources = re.findall(r'\b(?:src|href|srcset|data|poster)="(.*?)"', page)
    assert all(resource.startswith(("data:", "#")) for resource in resources)
    assert all(target.startswith(("data:", "#")) for target in re.findall(r"url\((.*?)\)", page))
    assert not re.search(r"@import|<(iframe|object|embed)|<script[^>]+>", page)
    assert page.count("<script>") == 1
    assert report.stat().st_size < 6 << 20


def test_page_escapes_text_of_the_records(report):
    assert "<b>linear</b>" not in report.read_text()
    assert "LSGAN <b>linear</b>" in words(report)


def test_the_protocol_says_of_a_cluster_what_is_known(make_folder):
    memory = {"peak_memory_bytes": 2**30}
    one = dict(protocol(read_manifest(make_folder(["gan"], seeds=1, jobs=2, **memory))))
    assert (one["device"], one["runs in parallel"]) == ("AMD EPYC, 2 threads", "2")
    assert "peak memory of all processes" in one
    on_ray = dict(protocol(read_manifest(make_folder(["gan"], seeds=1, jobs=None, executor="ray", **memory))))
    assert "runs in parallel" not in on_ray
    assert on_ray["device"] == "Ray cluster (driver: AMD EPYC, 2 threads)"
    assert "peak memory of all processes of the driver" in on_ray


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
    assert page.read_text().count("<script") == 1


def test_text_of_tables_is_text_in_a_spreadsheet(make_folder):
    folder = make_folder(["gan"], seeds=1, change=lambda row: row | {"title": "=1+1", "paper": "007", "message": "NA"})
    write_report(folder)
    with (folder / "runs.csv").open(newline="") as file:
        (row, *_) = csv.DictReader(file)
    assert (row["title"], row["paper"], row["message"]) == ("'=1+1", "007", "NA")


def test_sections_are_in_order(report):
    page = report.read_text()
    order = [page.index(f'<section id="{name}"') for name in context.SECTIONS if name != "studies"]
    assert order == sorted(order)
    text = words(report)
    for part in (
        *("num_samples 2,000", "mnist-cnn", "floor: training images", "3 seeds: 3 diverged", "0123abcd"),
        *("quarter width", "generator loss was not finite"),
    ):
        assert part in text


class Tables(HTMLParser):
    """The tables of a page: of each its id, and the cells of its rows as text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.is_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append((dict(attributes).get("id", ""), []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][1][-1].append("")
            self.is_cell = True
        elif tag == "small" and self.is_cell:
            self.tables[-1][1][-1][-1] += " "

    def handle_endtag(self, tag):
        self.is_cell = self.is_cell and tag not in ("th", "td")

    def handle_data(self, data):
        if self.is_cell:
            self.tables[-1][1][-1][-1] += data


def test_every_number_of_the_metrics_equals_the_tables(mixed, report):
    rows = dict(Tables(report.read_text()).tables)["values"]
    heads, *lines = rows
    summary = mixed.summary[mixed.summary["extractor"] == mixed.extractor].set_index(["variant", "metric"])
    titles = {f"{metric.title} {metric.arrow}": metric for metric in METRICS.values()}
    checked = 0
    for cells in lines:
        variant = cells[0].split(" ")[0].rstrip("†‡")
        for head, cell in zip(heads[1:], cells[1:], strict=True):
            if head not in titles:
                continue
            name = titles[head].name
            line = summary.loc[variant, name] if (variant, name) in summary.index else None
            if line is None or math.isnan(line["mean"]):
                assert cell == NOTHING
                continue
            numbers = [text_number(part) for part in re.findall(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?", cell)]
            if line["seeds"] < MINIMUM_SEEDS:
                column = f"final_{name}_{mixed.extractor}"
                seeds = mixed.runs[(mixed.runs["variant"] == variant) & (mixed.runs["status"] == "ok")][column]
                expected = [line["mean"], *(seeds if line["seeds"] > 1 else ())]
            else:
                expected = [line["mean"], *([line["low"], line["high"]] if not math.isnan(line["low"]) else [])]
            assert numbers == [text_number(number(value)) for value in expected]
            checked += 1
    assert checked > 30


def test_every_number_of_the_ranking_equals_the_tables(mixed, report):
    _, *lines = dict(Tables(report.read_text()).tables)["ranking"]
    found = {cells[1].split(" ")[0].rstrip("†‡"): cells for cells in lines if len(cells) > 2}
    assert list(found) == [entry.variant for entry in mixed.entries]
    for entry in mixed.entries:
        cells = found[entry.variant]
        assert cells[0] == str(entry.rank or "")
        assert cells[2].split(" ")[0] == number(entry.value.mean)
        if entry.value.seeds >= MINIMUM_SEEDS:
            assert cells[2].endswith(interval(entry.value.low, entry.value.high))
        if entry.kind != "floor":
            assert f"{entry.failures.count} of {entry.failures.of}" in cells


def test_every_number_of_runs_and_comparisons_equals_the_tables(mixed, report):
    tables = {tuple(rows[0]): rows[1:] for _, rows in Tables(report.read_text()).tables}
    runs = next(rows for heads, rows in tables.items() if "peak memory" in heads)
    column = f"final_{mixed.metric.name}_{mixed.extractor}"
    for cells, run in zip(runs, mixed.runs.to_dict("records"), strict=True):
        assert (cells[0], cells[1]) == (run["variant"], str(run["seed"]))
        assert (cells[4], cells[5]) == (number(run[column]), count(run["images"]))
    compared = next(rows for heads, rows in tables.items() if "comparison" in heads)
    for cells, line in zip(compared, mixed.planned.to_dict("records"), strict=True):
        assert cells[1].strip() == f"{number(line['ratio'])} {interval(line['low'], line['high'])}".strip()
        assert line["verdict"] in cells[2]


def text_number(cell: str) -> float:
    return float(cell.replace(",", ""))


def test_markdown_refers_to_files_that_are_there(report):
    text = (report.parent / "report.md").read_text()
    references = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert references == [f"figures/{name}.png" for name in PICTURES]
    assert all((report.parent / reference).is_file() for reference in references)
    assert "<b>" not in text.replace(r"\<b", "")
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_there_and_not_empty(report, name):
    with Image.open(report.parent / "figures" / f"{name}.png") as image:
        assert image.width >= 400
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 5


def test_ranking_table(mixed_folder):
    table = ranking_table(read_results(mixed_folder))
    assert [place.removesuffix("=") for place in table["rank"]] == ["1", "2", "3", "4", "", ""]
    assert list(table["variant"][-2:]) == ["real", "wgan_weight_clipping"]
    fids = [float(text.split()[0].replace(",", "")) for text in table["FID"][:4]]
    assert fids == sorted(fids)
    dcgan = table.set_index("variant").loc["dcgan†"]
    assert (dcgan["seeds"], dcgan["failures"]) == ("2", "1")
    # Two seeds: they are listed in place of an interval.
    assert re.fullmatch(r"[\d.,]+ \([\d.,]+, [\d.,]+\)", dcgan["FID"])


def test_each_extractor_has_a_table_of_its_own(make_folder):
    page = write_report(make_folder(["gan"], seeds=1, inception=True)).read_text()
    parts = re.split(r"<h3>Features of ", page)[1:]
    assert [part.split(" ")[0].split("<")[0] for part in parts] == ["mnist-cnn", "inception"]
    assert "not comparable" in parts[1]
    assert "Precision" in parts[0]
    assert "Precision" not in parts[1].split("</table>")[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"statuses": {("gan", 0): "diverged"}}, "No run succeeded (1 diverged): there is no ranking"),
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
    assert "1" not in ranking_table(read_results(folder))["rank"].tolist()


def test_a_run_that_begins_while_the_report_is_written_is_in_the_next_one(make_folder, monkeypatch):
    folder = make_folder(["gan"], seeds=2)
    late = folder / "records" / "gan-seed1-0a1b2c3d.jsonl"
    late.rename(folder / "late")
    monkeypatch.setattr(context, "contact_sheet", lambda *_: (folder / "late").rename(late) and False)
    assert "1 of 4 runs not started" in words(write_report(folder))
    monkeypatch.setattr(context, "contact_sheet", lambda *_: False)
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


def test_nothing_behind_a_link_is_written_or_removed(make_folder, tmp_path):
    folder, other = make_folder(["gan"], seeds=1), tmp_path / "other"
    other.mkdir()
    (other / "mnist-gan-seed0-step1.png").touch()
    (folder / "figures").symlink_to(other)
    with pytest.raises(GanZooError, match="lies outside"):
        write_report(folder)
    assert [path.name for path in other.iterdir()] == ["mnist-gan-seed0-step1.png"]


def test_a_folder_whose_runs_have_not_begun_has_a_report(make_folder):
    folder = make_folder(["gan"], seeds=1)
    shutil.rmtree(folder / "records")
    page = words(write_report(folder))
    assert "not started" in page
    assert ranking_table(read_results(folder)).empty
