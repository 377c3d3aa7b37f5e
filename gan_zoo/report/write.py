"""Write the report of a results folder: tables, figures, pictures, report.md and a self-contained report.html."""

import base64
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gan_zoo.bench.records import read_manifest, read_runs
from gan_zoo.bench.tables import Results, write_tables
from gan_zoo.errors import GanZooError
from gan_zoo.io import atomic_write
from gan_zoo.report.context import view
from gan_zoo.report.figures import write_figures
from gan_zoo.report.pictures import write_pictures
from gan_zoo.text import plural


def write_report(folder: Path) -> Path:
    """Write everything that a reader of a results folder needs, from its records alone; gives report.html.

    Raises:
        GanZooError: the folder is not there, is no results folder, or has a damaged manifest.
        StorageError: the folder cannot be written to.
    """
    folder = Path(folder)
    data = read_manifest(folder).get("data")
    if not isinstance(data, dict) or not {"name", "title"} <= data.keys():
        raise GanZooError(f"{folder / 'manifest.json'} does not name its data; run the bench again with the same --out")
    results, cells = write_tables(folder), [cell for cell in read_runs(folder) if cell.begin]
    figures = write_figures(results, folder)
    pictures, missing = write_pictures(folder, results.manifest, cells)
    context = view(results, pictures, _notices(results, missing))
    context |= {"figures": list(figures.items())}
    templates = environment(folder)
    atomic_write(folder / "report.md", tidy(templates.get_template("report.md.j2").render(context)))
    atomic_write(folder / "report.html", templates.get_template("report.html.j2").render(context))
    return folder / "report.html"


def _notices(results: Results, missing: list[str]) -> list[str]:
    cells, notices = len(results.manifest["cells"]), []
    if waiting := cells - len(results.runs):
        notices.append(f"{waiting} of {plural(cells, 'cell')} not begun: the suite is running, or can be resumed.")
    if missing:
        notices.append(f"{plural(len(missing), 'sample picture')} could not be read, the first is {missing[0]}.")
    return notices


def environment(folder: Path) -> Environment:
    """The templates of reports, with filters for pages that lie in this folder."""
    environment = Environment(
        loader=PackageLoader("gan_zoo.report"), autoescape=select_autoescape(["html.j2"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["inline"] = _inline
    environment.filters["relative"] = lambda path: path.relative_to(folder).as_posix()
    environment.filters["md"] = _markdown
    return environment


def _inline(path: Path) -> str:
    """A PNG file as a data URI, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _markdown(value: object) -> str:
    """Text that Markdown shows as it stands, in a table cell too."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(str(value).split()))


def tidy(markdown: str) -> str:
    """Markdown without runs of empty lines."""
    return re.sub(r"\n{3,}", "\n\n", markdown).strip() + "\n"
