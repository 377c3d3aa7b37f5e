import re
import warnings

import pytest
from studied import add_pictures, make_record

from gan_zoo.report.context import write_report
from gan_zoo.report.studies import measure_tables, write_page
from gan_zoo.studies.records import FOLDER, Measure, PictureFile, Value, write_record

EVIL = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) \x1b[31m"


@pytest.fixture
def folder(make_folder):
    made = make_folder(["gan", "cgan"], seeds=2)
    add_pictures(made)
    return made


def test_a_report_without_studies_has_no_section(folder):
    page = write_report(folder).read_text()
    assert 'id="studies"' not in page
    assert 'href="#studies"' not in page


def test_studies_are_a_section_of_the_report(folder):
    write_record(folder / FOLDER, make_record())
    page = write_report(folder).read_text()
    section = page[page.index('<section id="studies">') :].partition("</section>")[0]
    assert 'href="#studies"' in page
    assert "Is it smooth?" in section
    assert "0.600" in section  # the mean of the seeds
    assert "0.350" in section  # its difference from the baseline
    assert re.search(r'<img src="data:image/webp;base64,[^"]+" alt="gan: A walk." width="20" height="8"', section)
    assert re.search(r'prefers-reduced-motion: reduce[^>]+srcset="data:image/png', section)
    assert "studies/walk.md" in (folder / "report.md").read_text()


def test_a_damaged_study_is_a_notice_and_the_report_is_written(folder):
    (folder / FOLDER / "walk.json").write_text("{")
    page = write_report(folder).read_text()
    assert "walk is left out" in page
    assert 'id="studies"' not in page


@pytest.mark.parametrize("damage", ["missing", "no picture"])
def test_a_picture_that_cannot_be_read_is_left_out(folder, damage):
    write_record(folder / FOLDER, make_record())
    path = folder / FOLDER / "walk" / "a.webp"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"RIFF")
    page = write_report(folder).read_text()
    assert "Is it smooth?" in page
    assert "A walk." not in page


def test_text_of_a_study_is_neither_html_nor_a_link(folder):
    measure = Measure("share", EVIL, "", EVIL)
    rows = [Value(EVIL, seed, "share", EVIL, 0.5) for seed in (0, 1)]
    words = dict.fromkeys(("title", "question", "reading", "source"), EVIL)
    picture = PictureFile(EVIL, 0, "walk/a.png", EVIL)
    record = make_record(measures=[measure], values=rows, pictures=[picture], notes=[EVIL], **words)
    write_record(folder / FOLDER, record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = write_report(folder).read_text()
    assert "<img src=x" not in page
    assert "\x1b" not in page
    markdown = write_page(folder / FOLDER, record).read_text()
    assert not re.search(r"(?<!\\)<img src=x", markdown)
    # Markdown has no meaning within a tag.
    assert not re.search(r"(?<!\\)\]\(javascript", re.sub(r'alt="[^"]*"', "", markdown))


def test_the_page_in_markdown_has_numbers_pictures_and_command(folder):
    page = write_page(folder / FOLDER, make_record())
    found = page.read_text()
    assert page.name == "walk.md"
    assert found.startswith("# Latent walk\n")
    assert "0.600" in found
    assert '<img src="walk/a.webp"' in found
    assert 'width="20"' in found
    assert "`gan-zoo study walk runs/x`" in found
    assert "steps 8" in found
    assert "data mnist" in found
    assert "digits-cnn" in found
    assert "classes" not in found


def test_a_baseline_without_spread_has_no_interval():
    (table,) = measure_tables(make_record())
    assert table.title == "Share ↑"
    assert table.table.heads == ["variant", "trained", "random", "minus random"]
    _, trained, random, apart = table.table.rows[0][1]
    assert random == ("0.250", "")
    assert trained[0] == "0.600"
    assert trained[1].startswith("[")
    assert apart[0] == "0.350"
