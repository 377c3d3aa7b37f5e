"""Helpers of the tests of a page in a browser."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHECKER = Path(sys.prefix, "node_modules/vnu-jar/build/dist/vnu.jar")
NARROW = {"viewport": {"width": 400, "height": 800}}
WIDE = {"viewport": {"width": 1280, "height": 800}}
LIGHT = {"color_scheme": "light"}
DARK = {"color_scheme": "dark"}


@contextlib.contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    """A file in a new page; fails if it wrote to the console or requested anything but itself."""
    context = browser.new_context(**(WIDE | options))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert [text for text in complaints if not text.startswith("data:")] == [path.as_uri()]


def opened_with(*contexts: dict[str, Any]) -> pytest.MarkDecorator:
    """Opens the page of a test with each of these options of a browser context."""
    names = ["-".join(str(value) for value in each.values()) for each in contexts]
    return pytest.mark.parametrize("page", contexts, indirect=True, ids=names)


def values(elements: Locator, name: str) -> list[str]:
    """The attribute of each element."""
    return elements.evaluate_all("(all, name) => all.map(each => each.getAttribute(name))", name)


def options(select: Locator) -> list[str]:
    """The values that can be chosen."""
    return select.locator("option").evaluate_all("all => all.filter(each => !each.disabled).map(each => each.value)")


def unfold(page: Page) -> None:
    """Open all folds."""
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")


def first_number(text: str) -> float:
    """The first number of a cell; NaN without one."""
    found = re.search(r"-?\d[\d,]*(\.\d+)?(e[-+]?\d+)?", text.replace("\N{MINUS SIGN}", "-"))
    return float(found[0].replace(",", "")) if found else float("nan")


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two opaque colors as browsers write them, rgb(1, 2, 3), by WCAG 2."""
    luminances = []
    for color in (first, second):
        channels = [int(each) / 255 for each in re.findall(r"\d+", color)[:3]]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        luminances.append(sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def painting_commands(pdf: bytes) -> list[int]:
    """How many texts and images each page of a PDF of Chromium draws."""
    objects = dict(re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", pdf, re.DOTALL))
    pages = [each for each in objects.values() if re.search(rb"/Type /Page\b", each)]
    counts = []
    for each in pages:
        drawing = objects[re.search(rb"/Contents (\d+) 0 R", each)[1]]
        content = drawing.partition(b"stream\n")[2].rpartition(b"\nendstream")[0]
        counts.append(len(re.findall(rb"\bT[jJ]\b|\bDo\b", zlib.decompress(content))))
    return counts


def needs_html_checker(test: Any) -> Any:
    """Skips a test where the HTML checker cannot run."""
    test = pytest.mark.skipif(not shutil.which("java"), reason="the HTML checker needs Java")(test)
    reason = "no HTML checker in .venv: .ci/browser installs it"
    return pytest.mark.skipif(not CHECKER.is_file(), reason=reason)(test)


def html_faults(*paths: Path) -> list[tuple[str, str | None]]:
    """What the HTML checker finds wrong in these files: its messages, each with the place."""
    options = ["--errors-only", "--exit-zero-always", "--stdout", "--format", "json"]
    command = ["java", "-jar", CHECKER, *options, *paths]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [(each["message"], each.get("extract")) for each in json.loads(checked.stdout)["messages"]]
