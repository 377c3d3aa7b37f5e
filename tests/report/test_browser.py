"""The page in Chromium: its controls, its accessibility, how it prints, and what is left of it without its script."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import (
    CHROMIUM,
    DARK,
    LIGHT,
    NARROW,
    WIDE,
    contrast,
    first_number,
    html_faults,
    needs_html_checker,
    opened,
    opened_with,
    options,
    painting_commands,
    unfold,
    values,
)
from playwright.sync_api import Browser, Page
from studied import add_pictures, make_record

from gan_zoo.report.context import write_report
from gan_zoo.report.index import write_index
from gan_zoo.report.sheets import sheets
from gan_zoo.studies.records import FOLDER, write_record

SECTIONS = ("answer", "curves", "samples", "tests", "cost", "metrics", "studies", "failures", "methods")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium and no Chrome on PATH: .ci/browser installs one"),
]


@pytest.fixture(scope="module")
def report(mixed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(mixed_folder, tmp_path_factory.mktemp("reported") / "mixed")
    add_pictures(folder)
    write_record(folder / FOLDER, make_record())
    return write_report(folder)


@pytest.fixture(scope="module")
def library(mixed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("library")
    for name in ("a", "b"):
        shutil.copytree(mixed_folder, root / name)
    write_index(root)
    return root / "index.html"


@pytest.fixture
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The report in a new page."""
    with opened(browser, report, **getattr(request, "param", {})) as page:
        yield page


def test_contents_lead_to_every_section(page):
    contents = page.locator("nav#contents")
    for section in SECTIONS:
        contents.locator(f"a[href='#{section}']").click()
        heading = page.locator(f"#{section} :is(h1, h2)").first
        page.wait_for_function(
            "heading => heading.getBoundingClientRect().top < innerHeight", arg=heading.element_handle()
        )
        assert contents.bounding_box()["y"] >= 0
        is_uncovered = """heading => {
            const box = heading.getBoundingClientRect();
            return heading.contains(document.elementFromPoint(box.left + 5, box.top + box.height / 2));
        }"""
        assert heading.evaluate(is_uncovered), section


def test_first_screen_answers(page):
    for part in ("#answer p.lead", "#ranking tbody tr[data-variant] >> nth=0"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 800, part


def test_column_sorts_in_both_directions(page):
    table = page.locator("#values")
    headers = table.locator("th:has(> button)")
    assert headers.count() > 5
    for header in headers.all():
        if not header.is_visible():
            continue
        column = header.evaluate("cell => cell.cellIndex")
        orders = {}
        for _ in range(2):
            header.locator("button").click()
            direction = header.get_attribute("aria-sort")
            assert values(table.locator("th[aria-sort]"), "aria-sort") == [direction]
            orders[direction] = table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()
        for direction, texts in orders.items():
            numbers = [number for number in map(first_number, texts) if number == number]
            if len(numbers) > len(texts) / 2:
                assert numbers == sorted(numbers, reverse=direction == "descending"), header.inner_text()
        assert set(orders) == {"ascending", "descending"}
        assert Counter(orders["ascending"]) == Counter(orders["descending"])


def test_filter_shows_the_rows_of_a_variant(page):
    rows = page.locator("#values tbody tr:visible")
    everything = values(rows, "data-variant")
    page.locator("#filter").fill("dcgan")
    assert set(values(rows, "data-variant")) == {"dcgan"}
    page.locator("#filter").fill("no such variant")
    assert rows.count() == 0
    page.locator("#filter").fill("")
    assert values(rows, "data-variant") == everything


def test_column_chooser_hides_whole_columns(page):
    unfold(page)
    cells = page.locator("#values :is(th, td):visible")
    boxes = page.locator("fieldset#columns input[type=checkbox]")
    assert boxes.count() > 3
    rows = page.locator("#values tr:visible").count()
    for box in boxes.all():
        before = cells.count()
        box.click()
        after = cells.count()
        assert abs(before - after) >= rows - 1
        assert (after < before) == (not box.is_checked())
        box.click()
        assert cells.count() == before


def test_legend_switches_a_variant_off_everywhere(page):
    switches = page.locator("button.switch[data-variant=dcgan]")
    marked = page.locator("[data-variant=dcgan]:not(button)")
    off = page.locator(".off")
    switches.first.click()
    assert set(values(switches, "aria-pressed")) == {"false"}
    assert values(off, "data-variant") == ["dcgan"] * marked.count()
    is_dim = """all => all.map(each => getComputedStyle(each))
        .map(style => style.display == 'none' || style.visibility == 'hidden' || style.opacity < 0.6)"""
    for place in ("#curves", "#samples .frame", "#ranking"):
        found = page.locator(f"{place}.off, {place} .off").evaluate_all(is_dim)
        assert found, place
        assert all(found), place
    switches.first.click()
    assert set(values(switches, "aria-pressed")) == {"true"}
    assert off.count() == 0


def test_slider_moves_all_variants_to_the_same_evaluation(page):
    slider = page.locator("input#step[type=range]")
    last = int(slider.get_attribute("max"))
    assert last >= 7
    frames = page.locator("#samples .frame:visible")
    seen = set()
    for place in range(last + 1):
        slider.fill(str(place))
        shown = dict(zip(values(frames, "data-variant"), values(frames, "data-place"), strict=True))
        assert len(shown) == frames.count()
        assert shown["gan"] == str(place)
        assert all(int(each) <= place for variant, each in shown.items() if variant != "real")
        seen.add(slider.get_attribute("aria-valuetext"))
    assert len(seen) == last + 1, "the value is announced as an index, not as images seen"
    slider.press("ArrowLeft")
    assert set(values(page.locator("#samples .frame[data-variant=gan]:visible"), "data-place")) == {str(last - 1)}


def test_seed_selector_shows_every_seed(page):
    seeds = page.locator("select#seed")
    assert len(options(seeds)) == 3
    for seed in options(seeds):
        seeds.select_option(seed)
        frames = page.locator("#samples .frame:visible:not([data-variant=real])")
        assert set(values(frames, "data-seed")) == {seed}
        assert {"gan", "wgan_weight_clipping"} <= set(values(frames, "data-variant")), (
            "a failed run has samples as well"
        )


def test_tabs_by_click_and_by_arrow_keys(page):
    tabs = page.locator("#samples [role=tab][data-kind]")
    kinds = values(tabs, "data-kind")
    assert kinds[0] == "grid"
    assert "classes" in kinds

    def assert_shown(kind: str) -> None:
        chosen = page.locator("#samples [role=tab][aria-selected=true]")
        assert values(chosen, "data-kind") == [kind]
        assert values(chosen, "tabindex") in (["0"], [None])
        assert set(values(page.locator("#samples .frame:visible"), "data-kind")) == {kind}

    for kind in reversed(kinds):
        page.locator(f"#samples [role=tab][data-kind={kind}]").click()
        assert_shown(kind)
    for kind in [*kinds[1:], kinds[0]]:
        page.keyboard.press("ArrowRight")
        assert_shown(kind)
    page.keyboard.press("ArrowLeft")
    assert_shown(kinds[-1])


def test_selectors_choose_one_curve(page):
    axes = {name: page.locator(f"select#curve-{name}") for name in "xy"}
    shown = page.locator("figure.curve:visible")
    assert {"images", "seconds"} <= set(options(axes["x"]))
    assert len(options(axes["y"])) > 8
    for y in options(axes["y"]):
        axes["y"].select_option(y)
        for x in options(axes["x"]):
            axes["x"].select_option(x)
            assert (values(shown, "data-x"), values(shown, "data-y")) == ([x], [y])


def test_pointer_shows_the_values_of_a_mark(page):
    marks = page.locator("figure.curve:visible [data-tip]")
    assert marks.count() > 20
    tip = page.locator("#tip")
    assert tip.is_hidden()
    mark = page.locator("figure.curve:visible [data-variant=gan] [data-tip]").first
    mark.hover()
    assert tip.inner_text() == mark.get_attribute("data-tip")
    assert re.search(r"\d", tip.inner_text())


# axe-core does not check the text of SVG.
@opened_with(LIGHT, DARK)
def test_text_of_charts_has_contrast(page):
    unfold(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    colors = page.locator("svg text:visible").evaluate_all("all => all.map(each => getComputedStyle(each).fill)")
    assert len(colors) > 20
    assert {color: contrast(color, background) for color in set(colors) if contrast(color, background) < 4.5} == {}


@opened_with(LIGHT, DARK)
def test_samples_are_drawn(page):
    is_drawn = """all => all.map(frame => [frame, ...frame.querySelectorAll('*')].some(each => {
        const image = getComputedStyle(each).backgroundImage;
        return image.startsWith('url("data:image/') && each.clientWidth * each.clientHeight > 2000;
    }))"""
    drawn = page.locator("#samples .frame:visible").evaluate_all(is_drawn)
    assert len(drawn) >= 6
    assert all(drawn)


def test_references_inside_the_page_have_a_target(page):
    lost = page.evaluate(r"""() => [...document.querySelectorAll('*')].flatMap(each => [...each.attributes])
        .map(attribute => attribute.value.match(/^#(\S+)$|^url\(["']?#([^"')]+)/)).filter(Boolean)
        .map(found => found[1] ?? found[2]).filter(id => !document.getElementById(id))""")
    assert lost == []


def test_prints_on_six_pages_and_one_of_a_study_with_open_folds(page):
    page.evaluate("""addEventListener('beforeprint', () => {
        window.folded = [...document.querySelectorAll('details:not([open])')].map(fold => fold.innerText);
    })""")
    pages = painting_commands(page.pdf(format="A4"))
    assert page.evaluate("folded") == []
    assert 1 < len(pages) <= 7
    assert min(pages) > 0, "an empty page"
    page.evaluate("document.getElementById('studies').remove()")
    assert len(painting_commands(page.pdf(format="A4"))) <= 6


@opened_with(*(width | scheme for width in (WIDE, NARROW) for scheme in (LIGHT, DARK)))
def test_is_accessible(page):
    unfold(page)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in found] == []


@needs_html_checker
def test_is_valid_html(report, library):
    assert html_faults(report, library) == []


@opened_with({"java_script_enabled": False})
def test_nothing_is_missing_without_the_script(page, mixed, mixed_folder):
    assert page.locator(".scripted:visible").count() == 0
    unfold(page)
    for part in ("figure", ".frame", "table", "tr", "th", "td"):
        assert page.locator(f"{part}:visible").count() == page.locator(part).count(), part
    marks = page.locator("[data-tip]")
    assert page.locator("[data-tip] > title").all_text_contents() == values(marks, "data-tip")
    trained = page.locator(".frame:not([data-variant=real])")
    found = zip(*(values(trained, f"data-{name}") for name in ("variant", "seed", "place", "kind")), strict=True)
    frames = [frame for frame in sheets(mixed_folder, mixed).frames if frame.variant != "real"]
    assert Counter(found) == Counter((each.variant, str(each.seed), str(each.place), each.kind) for each in frames)
    assert set(values(page.locator(".frame[data-variant=real]"), "data-kind")) == {"grid", "classes", "histogram"}


@opened_with(NARROW)
def test_narrow_page_scrolls_its_tables_alone(page):
    unfold(page)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 400
    first = page.locator("#ranking tbody tr > :visible").first
    scroll = """cell => {
        let wide = cell;
        while (wide && wide.scrollWidth <= wide.clientWidth + 1) wide = wide.parentElement;
        wide.scrollLeft = 120;
        return wide.scrollLeft;
    }"""
    before = first.bounding_box()["x"]
    assert page.locator("#ranking").evaluate(scroll) > 0
    assert first.bounding_box()["x"] == pytest.approx(before, abs=3)


def test_keyboard_reaches_every_control(page):
    unfold(page)
    controls = page.locator(":is(a[href], button, input, select, summary, [tabindex]):visible:enabled")
    number = "all => all.filter(each => each.tabIndex >= 0).map((each, index) => each.dataset.order = String(index))"
    expected = controls.evaluate_all(number)
    assert len(expected) > 20
    reached, unmarked = [], []
    for _ in range(2 * len(expected)):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count():
            break
        order, outline = focused.evaluate("each => [each.dataset.order ?? '', getComputedStyle(each).outlineStyle]")
        reached.append(order)
        if outline == "none":
            unmarked.append(focused.evaluate("each => each.outerHTML.slice(0, 80)"))
    assert [order for order in reached if order] == expected
    assert unmarked == []


@pytest.mark.parametrize("options", [LIGHT, DARK, NARROW, {"java_script_enabled": False}])
def test_index_of_results(browser, library, options):
    """Accessible, no wider than the window, sortable, with every row and picture."""
    with opened(browser, library, **options) as page:
        assert page.locator("#questions tbody tr:visible").count() == 2
        shown = "all => all.every(each => each.complete && each.naturalWidth > 0)"
        assert page.locator("#questions img").evaluate_all(shown)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= page.viewport_size["width"]
        heads = page.locator("#questions thead button")
        if "java_script_enabled" in options:
            assert heads.count() == 0
            return
        assert Axe().run(page).response["violations"] == []
        for direction in ("ascending", "descending"):
            heads.filter(has_text="suite").click()
            names = page.locator("#questions tbody th small").all_text_contents()
            assert names == sorted(names, reverse=direction == "descending")
            assert values(page.locator("#questions th[aria-sort]"), "aria-sort") == [direction]
