import html.parser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gan_zoo.errors import GanZooError
from gan_zoo.report.context import write_report
from gan_zoo.report.findings import ranking_table

FIGURES = ("fid_images", "fid_discriminator_steps", "fid_seconds", "pareto", "is", "bars", "losses", "scores")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(html.parser.HTMLParser):
    """What a page asks the browser to fetch, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.resources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report(mixed_folder: Path) -> Path:
    return write_report(mixed_folder)


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text())


def test_page_stands_alone(report, page):
    assert page.resources
    assert all(resource.startswith("data:") for resource in page.resources)
    assert not page.tags & {"script", "iframe", "object", "embed"}
    assert not re.search(r"@import|url\(", report.read_text())
    assert report.stat().st_size < 6 << 20


def test_page_escapes_what_the_records_say(report, page):
    assert "<b>linear</b>" not in report.read_text()
    assert "LSGAN <b>linear</b>" in page.text


def test_page_begins_with_the_ranking(page):
    titles = ["Ranking", "Comparisons", "Best and final", "Time to target", "Figures", "Samples", "All metrics"]
    order = [page.text.index(title) for title in [*titles, "Failures", "Runs", "Methods", "Protocol"]]
    assert order == sorted(order)
    for part in (
        *("num_samples 2,000", "mnist-cnn", "floor: training images", "3 seeds: 3 diverged", "0123abcd"),
        *("batch 128 (article: 512)", "generator loss was not finite"),
    ):
        assert part in page.text


def test_markdown_refers_to_files_that_are_there(report):
    text = (report.parent / "report.md").read_text()
    references = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(references) > len(FIGURES)
    assert all((report.parent / reference).is_file() for reference in references)
    assert "<b>" not in text.replace(r"\<b", "")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_there_and_shows_something(report, name):
    with Image.open(report.parent / "figures" / f"{name}.png") as image:
        assert image.width >= 700
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20


def test_sample_pictures(report):
    names = {path.name for path in (report.parent / "samples").iterdir()}
    expected = ["gan-seed0-step2000", "cgan-seed1-step2000-classes", "gan-seed2-over-training", "dcgan-seed1-step200"]
    assert {f"mnist-{name}.png" for name in expected} <= names
    assert not any(name.startswith("mnist-gan") and name.endswith("-classes.png") for name in names)


def test_tiles_are_enlarged_pixel_for_pixel(report):
    folder = report.parent
    with Image.open(folder / "records/gan-seed0-0a1b2c3d/grid-002000.png") as raw:
        tile = raw.crop((128, 96, 160, 128)).resize((96, 96), Image.Resampling.NEAREST)  # column 4, row 3: the last
    with Image.open(folder / "samples/mnist-gan-seed0-step2000.png") as picture:
        right, bottom = picture.width - 10, picture.height - 10
        assert picture.crop((right - 96, bottom - 96, right, bottom)).tobytes() == tile.tobytes()


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
    folder = make_folder(["gan"], seeds=1)
    text = (write_report(folder).parent / "report.md").read_text()
    tables = dict(re.findall(r"### Features of (\S+)\n(.*?)(?=\n###)", text, flags=re.DOTALL))
    assert list(tables) == ["mnist-cnn", "inception"]
    assert "Not comparable" in tables["inception"]
    assert "Precision" in tables["mnist-cnn"]
    assert "Precision" not in tables["inception"]


def test_all_failed_says_so(make_folder):
    folder = make_folder(["gan"], seeds=2, inception=False, statuses={("gan", 0): "diverged", ("gan", 1): "diverged"})
    text = Page(write_report(folder).read_text()).text
    assert "No variant has a successful seed" in text
    assert "inception left out" in text


def test_nothing_recorded_yet(make_folder):
    folder = make_folder(["gan"], seeds=1, inception=False)
    for path in (folder / "records").glob("*.jsonl"):
        path.unlink()
    text = Page(write_report(folder).read_text()).text
    assert "2 of 2 runs not started" in text
    assert ranking_table(folder).empty


def test_a_missing_image_is_noticed_and_an_old_one_removed(make_folder):
    folder = make_folder(["gan"], seeds=1, inception=False)
    (folder / "records/gan-seed0-0a1b2c3d/grid-000200.png").unlink()
    (folder / "records/gan-seed0-0a1b2c3d/grid-000500.png").write_bytes(b"\x89PNG not a picture")
    (folder / "samples").mkdir()
    (folder / "samples/mnist-old-seed9-step1.png").touch()
    text = Page(write_report(folder).read_text()).text
    assert "2 sample images unreadable" in text
    assert not (folder / "samples/mnist-old-seed9-step1.png").exists()


def test_bad_folders(tmp_path):
    with pytest.raises(GanZooError, match="does not exist"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(GanZooError, match="not a results folder"):
        write_report(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(GanZooError, match="damaged"):
        write_report(tmp_path)
    (tmp_path / "manifest.json").write_text('{"runs": []}')
    with pytest.raises(GanZooError, match="does not name its data"):
        write_report(tmp_path)


def test_the_report_needs_no_torch():
    code = "import sys, gan_zoo.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
def test_a_browser_shows_the_page_without_a_complaint(report, tmp_path):
    flags = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
    flags += ["disable-component-update", "disable-sync", "enable-logging=stderr", "v=0", "dump-dom"]
    flags = [f"--{flag}" for flag in [*flags, f"user-data-dir={tmp_path}"]] + [report.as_uri()]
    shown = subprocess.run([str(CHROMIUM), *flags], capture_output=True, text=True, timeout=120, check=True)
    assert "Ranking" in shown.stdout
    assert "CONSOLE" not in shown.stderr
