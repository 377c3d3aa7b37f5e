"""The index over results folders: its answers and numbers are those of the folders, whatever lies beside them."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from gan_zoo.bench.tables import read_results, write_tables
from gan_zoo.errors import GanZooError
from gan_zoo.report import index
from gan_zoo.report.answer import answer
from gan_zoo.report.index import write_index

SHIPPED = Path(__file__).parents[2] / "results"
HOSTILE = "<script>alert(1)</script> \"'> | [a](http://b) `c`"


@pytest.fixture(scope="module")
def mixed_root(mixed_folder, make_folder, tmp_path_factory):
    """A suite with failures, one of two seeds a level deeper, a study with a page and one without."""
    root = tmp_path_factory.mktemp("library")
    shutil.copytree(mixed_folder, root / "mixed-quick")
    # Another test may have written the report of the folder that was copied.
    (root / "mixed-quick" / "report.md").unlink(missing_ok=True)
    (root / "mixed-quick" / "report.html").write_text("<p>")
    few = make_folder(["gan", "cgan"], seeds=2, title="Two seeds", git_commit="0123456789ab+changes")
    shutil.copytree(few, root / "few" / "deep #1")
    for name, files in {"study": {"study.md": "text\n# Title of <it>\n"}, "bare": {"cost.csv": "a\n1\n"}}.items():
        (root / name).mkdir()
        for file, content in files.items():
            (root / name / file).write_text(content)
    (root / "study" / "manifest.json").write_text('{"commit": "1"}')
    assert write_index(root) == []
    return root


@pytest.fixture
def small(make_folder, tmp_path):
    """A folder to put one small results folder into: ``small(name, ...)``."""

    def make(name, **changed):
        return shutil.copytree(make_folder(["gan"], seeds=2, **changed), tmp_path / name)

    return make


class Cells(HTMLParser):
    """The text of the cells of all tables, the addresses of links, and the tags."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.links, self.tags = [], [], []
        self.feed(page)
        self.cells = [cell.strip() for cell in self.cells]

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_the_rows_of_the_table_are_those_of_the_folders(mixed_root):
    table = pd.read_csv(mixed_root / "index.csv")
    assert list(table["folder"].unique()) == ["few/deep #1", "mixed-quick"]
    for name, rows in table.groupby("folder"):
        results = read_results(mixed_root / name)
        assert list(rows["variant"]) == [entry.variant for entry in results.entries]
        summary = write_tables(mixed_root / name).summary
        mine = summary[(summary["metric"] == "fid") & (summary["extractor"] == "mnist-cnn")].set_index("variant")
        expected = mine.loc[rows["variant"], ["mean", "low", "high", "seeds", "failures"]].astype(float)
        found = rows.set_index("variant")[list(expected.columns)].astype(float)
        pd.testing.assert_frame_equal(found, expected)
        for row, entry in zip(rows.to_dict("records"), results.entries, strict=True):
            ratio = (row["ratio_to_best"], row["ratio_low"], row["ratio_high"])
            assert ratio == pytest.approx(entry.to_best, nan_ok=True)
            assert (row["kind"], row["seconds"]) == (entry.kind, pytest.approx(entry.seconds, nan_ok=True))
    ranked = table[table["kind"] == "ranked"].set_index(["folder", "variant"])
    assert ranked.loc[("mixed-quick", "gan"), "images"] == 256_000
    assert set(ranked["commit"]) == {"0123abcd", "0123456789ab+changes"}


def test_pandas_reads_the_table_without_options(mixed_root):
    table = pd.read_csv(mixed_root / "index.csv")
    texts = ["folder", "data", "preset", "variant", "kind", "letters", "metric", "extractor", "device", "precision"]
    assert all(pd.api.types.is_string_dtype(table[name]) for name in [*texts, "commit", "date"])
    floats = ["rank", "mean", "low", "high", "ratio_to_best", "ratio_low", "ratio_high", "seconds"]
    assert all(table[name].dtype == "float64" for name in floats)
    assert all(table[name].dtype == "int64" for name in ["seeds", "failures", "images", "num_samples", "numerics"])


def test_both_pages_have_the_answers_and_facts(mixed_root):
    page = Cells((mixed_root / "index.html").read_text())
    readme = (mixed_root / "README.md").read_text()
    for name in ("few/deep #1", "mixed-quick"):
        headline = answer(read_results(mixed_root / name)).headline
        assert headline in page.cells
        assert headline.replace("_", r"\_") in readme
    assert "5 of 14" in page.cells
    assert "| 5 of 14 |" in readme
    assert any(cell.startswith("2026-01-01") and "0123456+changes" in cell for cell in page.cells)
    links = ["few/deep%20%231/", "mixed-quick/report.html", "index.csv", "bare/", "study/study.md"]
    assert page.links == links
    assert all(f"]({link})" in readme for link in ("few/deep%20%231/", "mixed-quick/", "bare/", "study/study.md"))
    assert r"[Title of \<it\>](study/study.md)" in readme


def test_each_suite_has_a_strip_of_its_best_variant(mixed_root):
    page, readme = ((mixed_root / name).read_text() for name in ("index.html", "README.md"))
    assert re.findall(r'<img src="([^"]+)"', readme) == ["few/deep%20%231/strip.png", "mixed-quick/strip.png"]
    assert page.count('<img src="data:image/png;base64,') == 2
    assert not re.search(r'(src|href)="(http|//)', page)
    leader = answer(read_results(mixed_root / "mixed-quick")).leader.variant
    (sheet,) = (mixed_root / "mixed-quick").glob(f"records/{leader}-seed0-*/grid-002000.png")
    with Image.open(sheet) as grid, Image.open(mixed_root / "mixed-quick" / "strip.png") as strip:
        tile = (160, 0, 192, 32) if grid.width > 160 else (0, 32, 32, 64)  # the sixth of the sheet
        assert strip.crop((165, 0, 197, 32)).tobytes() == grid.convert("L").crop(tile).tobytes()
        assert strip.size == (6 * 33 - 1, 32)


def test_titles_are_shown_as_they_are(small, tmp_path):
    small("a", title=HOSTILE, device=HOSTILE, git_commit=HOSTILE, preset=HOSTILE)
    write_index(tmp_path)
    page = Cells((tmp_path / "index.html").read_text())
    assert any(HOSTILE in cell for cell in page.cells)
    assert page.tags.count("script") == 1
    (row,) = [line for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith("| **")]
    assert not re.search(r"(?<!\\)<script|(?<!\\)`|(?<!\\)\]\(http", row)
    assert len(re.findall(r"(?<!\\)\|", row)) == 8


@pytest.mark.parametrize(
    ("identity", "current", "mark"),
    [
        ({}, 1, "older numerics: before version 1"),
        ({"numerics": "x"}, 1, "older numerics: before version 1"),
        ({"numerics": 1}, 1, ""),
        ({"numerics": 1}, 2, "older numerics: version 1"),
    ],
)
def test_runs_of_older_numerics_are_marked(small, tmp_path, monkeypatch, identity, current, mark):
    monkeypatch.setattr(index, "NUMERICS_VERSION", current)
    small("a", change=lambda row: row | ({"identity": identity} if row["row"] == "begin" else {}))
    write_index(tmp_path)
    for name in ("index.html", "README.md"):
        page = (tmp_path / name).read_text()
        assert (mark in page) if mark else ("numerics" not in page)
    assert set(pd.read_csv(tmp_path / "index.csv")["numerics"]) == {1 if identity == {"numerics": 1} else 0}


@pytest.mark.parametrize("manifest", ["{", "[]", '{"suite": {}}'])
def test_a_damaged_folder_is_named_and_left_out(small, tmp_path, manifest):
    small("good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "manifest.json").write_text(manifest)
    (line,) = write_index(tmp_path)
    assert line.startswith("bad is left out: ")
    assert "\n" not in line
    assert list(pd.read_csv(tmp_path / "index.csv")["folder"].unique()) == ["good"]
    assert "bad is left out" in (tmp_path / "index.html").read_text()
    shutil.rmtree(tmp_path / "good")
    with pytest.raises(GanZooError, match=r"no results folder below .*: bad is left out"):
        write_index(tmp_path)


def test_nothing_within_a_results_folder_is_a_results_folder(small, tmp_path):
    inner = small("a")
    shutil.copytree(inner, tmp_path / "a" / "copy")
    shutil.copytree(inner, tmp_path / ".hidden")
    write_index(tmp_path)
    assert list(pd.read_csv(tmp_path / "index.csv")["folder"].unique()) == ["a"]


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_pages_of_others_are_not_replaced(small, tmp_path, name):
    small("a")
    write_index(tmp_path)
    write_index(tmp_path)
    (tmp_path / name).write_text("mine")
    with pytest.raises(GanZooError, match=f"{name} was not written by this command"):
        write_index(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_studies_of_a_suite_have_a_row_each(small, tmp_path):
    studied = small("suite-quick") / "studies"
    studied.mkdir()
    for name, title in (("walk", "Walk"), ("features", "Features")):
        (studied / f"{name}.md").write_text(f"# {title}\n")
    write_index(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "[Walk (suite-quick)](suite-quick/studies/walk.md)" in page
    assert "[Features (suite-quick)](suite-quick/studies/features.md)" in page


def test_a_suite_without_a_finished_run(small, tmp_path):
    folder = small("a", statuses={("gan", 0): "unfinished", ("gan", 1): "unfinished"})
    assert json.loads((folder / "manifest.json").read_text())["variants"] == ["gan"]
    write_index(tmp_path)
    page = Cells((tmp_path / "index.html").read_text())
    assert "No run has ended: there is no ranking yet." in page.cells
    assert "0 of 0" in page.cells


def test_the_shipped_index_has_the_numbers_of_the_shipped_tables():
    table = pd.read_csv(SHIPPED / "index.csv")
    manifests = [path for pattern in ("*", "*/*") for path in SHIPPED.glob(f"{pattern}/manifest.json")]
    suites = {path.parent.relative_to(SHIPPED).as_posix() for path in manifests if '"suite"' in path.read_text()}
    assert set(table["folder"]) == suites, "`make results`"
    for row in table.to_dict("records"):
        summary = pd.read_csv(SHIPPED / row["folder"] / "summary.csv")
        mine = (summary["variant"] == row["variant"]) & (summary["metric"] == row["metric"])
        (line,) = summary[mine & (summary["extractor"] == row["extractor"])].to_dict("records")
        assert [row[key] for key in ("mean", "low", "high")] == pytest.approx(
            [line[key] for key in ("mean", "low", "high")], nan_ok=True
        ), "`make results`"
    assert all(re.fullmatch(r"[a-z0-9-]+", path.name) for path in SHIPPED.iterdir() if path.is_dir())
