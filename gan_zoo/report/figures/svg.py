"""Figures as inline SVG: colors of the page, ids that are unique in it, groups that a script switches."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike
from PIL import Image

from gan_zoo import text
from gan_zoo.io import atomic_path
from gan_zoo.report.figures.style import FAINT, INK, LINE, bare

DOTS_PER_INCH = 150
_POINTS = 72  # an inch
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)", LINE: "var(--line)"}
_NUMBERS = {"d", "x", "y", "width", "height", "transform"}
_REFERENCE = re.compile(r"^(?:url\()?#([^)]*)\)?$")


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes:
        name: unique in the page; all ids in the SVG begin with it.
        svg: an ``<svg>`` element, complete without a script and without CSS but for --ink, --faint and --line.
        caption: what is drawn, over what, what the band is.
        x: of a curve ``images``, ``discriminator_steps`` or ``seconds``.
        y: of a curve the name of what is drawn.
        title: of a curve what the selector of y shows.
    """

    name: str
    svg: str
    caption: str
    x: str = ""
    y: str = ""
    title: str = ""


@dataclass
class Drawing:
    """A figure of ``width x height`` points whose artists belong to variants, and whose markers have tips."""

    width: float
    height: float
    figure: Figure = field(init=False)
    _added: list[Artist] = field(default_factory=list)
    _marked: dict[str, tuple[str, Sequence[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width / _POINTS, self.height / _POINTS), frameon=False)

    def axes(self, left: float, bottom: float, right: float, top: float, **settings: Any) -> Axes:
        """Axes with these margins in points, with grid lines alone."""
        size = (self.width - left - right, self.height - bottom - top)
        box = (left / self.width, bottom / self.height, size[0] / self.width, size[1] / self.height)
        axes = self.figure.add_axes(box, **settings)
        bare(axes)
        # To find the positions would cost a layout of all tick labels.
        axes.xaxis.set_label_coords(0.5, -22 / size[1])
        axes.yaxis.set_label_coords(-(left - 14) / size[0], 0.5)
        return axes

    def line(
        self, axes: Axes, x: ArrayLike, y: ArrayLike, variant: str = "", tips: Sequence[str] = (), **style: Any
    ) -> None:
        """A line of a variant; ``tips`` are the texts of its markers, in order."""
        self.add(axes, Line2D(np.asarray(x), np.asarray(y), **style), variant, tips)

    def band(self, axes: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, variant: str, color: str) -> None:
        """The area between two curves of a variant."""
        upper, lower = np.column_stack([x, high]), np.column_stack([x, low])
        outline = np.concatenate([lower, upper[::-1]])
        self.add(axes, Polygon(outline, facecolor=color, alpha=0.13, linewidth=0), variant)

    def add(self, axes: Axes, artist: Artist, variant: str = "", tips: Sequence[str] = ()) -> None:
        """Add an artist of a variant; ``tips`` are the texts of its markers, in order."""
        # Unlike axes.plot this leaves the limits as they are, in a third of the time.
        axes.add_artist(artist)
        self._added.append(artist)
        gid = f"marked-{len(self._marked)}"
        artist.set_gid(gid)
        self._marked[gid] = (variant, tips)

    def clear(self) -> None:
        """Remove the artists for the next chart; to make axes and ticks again takes as long as to draw."""
        for artist in self._added:
            artist.remove()
        self._added.clear()
        self._marked.clear()

    def chart(self, name: str, caption: str, alt: str, **facts: str) -> Chart:
        """The figure as a chart; ``alt`` is its text for a screen reader."""
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        root = ElementTree.fromstring(buffer.getvalue())
        references = {reference for element in root.iter() for reference in _references(element)}
        ids = {old: f"{name}-{number}" for number, old in enumerate(sorted(references))}
        (svg,) = _inline(root, ids, self._marked)
        svg.attrib.update({"role": "img", "aria-label": alt})
        return Chart(name, ElementTree.tostring(svg, encoding="unicode"), caption, **facts)


def write_png(figure: Figure, path: Path) -> Path:
    """Write a figure on white as a PNG file.

    Raises:
        StorageError: the path cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    drawn = Image.open(buffer).convert("RGBA")
    page = Image.new("RGBA", drawn.size, "white")
    page.alpha_composite(drawn)
    # A third of the bytes, without a visible difference.
    image = page.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with atomic_path(path) as part:
        image.save(part, optimize=True)
    return path


def _references(element: ElementTree.Element) -> list[str]:
    """The ids to which an element refers."""
    found = [_REFERENCE.match(element.get(key, "")) for key in (_HREF, "clip-path")]
    return [match[1] for match in found if match]


def _inline(
    old: ElementTree.Element, ids: dict[str, str], marked: dict[str, tuple[str, Sequence[str]]]
) -> list[ElementTree.Element]:
    """An element for a page: none if it draws nothing, its children if it is a group without attributes."""
    tag = old.tag.removeprefix(_SVG)
    if tag in ("metadata", "style"):
        return []
    children = [new for child in old for new in _inline(child, ids, marked)]
    variant, tips = marked.get(old.get("id", ""), ("", ()))
    attributes = _attributes(old, ids) | ({"data-variant": text.visible(variant)} if variant else {})
    if tag in ("g", "defs") and not children:
        return []
    if tag == "svg":
        attributes = {"viewBox": old.get("viewBox", ""), "style": "font-size:11px;stroke-linejoin:round"}
    new = ElementTree.Element(tag, attributes)
    new.text = old.text if tag == "text" else None
    new.extend(children)
    if tag == "g":
        _share_style(new)
        _add_tips(new, tips)
    return [new] if tag != "g" or new.attrib else list(new)


def _attributes(element: ElementTree.Element, ids: dict[str, str]) -> dict[str, str]:
    """The attributes that count: new ids, short numbers, styles with the colors of the page and its font."""
    found = {}
    for key, value in element.attrib.items():
        if key == "id" and value in ids:
            found["id"] = ids[value]
        elif key in (_HREF, "clip-path"):
            found[key.rpartition("}")[2]] = re.sub(r"#([^)]+)", lambda old: f"#{ids.get(old[1], old[1])}", value)
        elif key in _NUMBERS and not value.startswith("rotate(-0 "):
            short = re.sub(r"(-?\d+\.\d)\d+", r"\1", value)
            found[key] = re.sub(r"\s*([A-Za-z])\s*", r"\1", short.replace("\n", " ")).strip() if key == "d" else short
        elif key == "style":
            found["style"] = _style(value)
    return {key: value for key, value in found.items() if value}


def _style(style: str) -> str:
    pairs = [pair.split(": ", 1) for pair in style.split("; ") if ": " in pair]
    return ";".join(
        f"{key}:{_VARIABLES.get(value, value)}"
        for key, value in pairs
        if key not in ("font-family", "stroke-linejoin") and (key, value) != ("font-size", "11px")
    )


def _share_style(group: ElementTree.Element) -> None:
    """The style of all markers of a group becomes that of the group."""
    markers = [child for child in group if child.tag == "use"]
    styles = {marker.get("style", "") for marker in markers}
    if len(styles) == 1 and len(markers) == len(group) and "style" not in group.attrib:
        group.set("style", styles.pop())
        for marker in markers:
            marker.attrib.pop("style", None)


def _add_tips(group: ElementTree.Element, tips: Sequence[str]) -> None:
    """Each marker of a group becomes a group with a tip, which a browser shows as a title without a script too."""
    if not tips:
        return
    holders = [(parent, place) for parent in group.iter() for place, child in enumerate(parent) if child.tag == "use"]
    for (parent, place), tip in zip(holders, tips, strict=True):
        wrapped = ElementTree.Element("g", {"data-tip": tip})
        ElementTree.SubElement(wrapped, "title").text = tip
        wrapped.append(parent[place])
        parent[place] = wrapped
