"""A study of made-up numbers, as `gan-zoo study` leaves it in a results folder."""

from pathlib import Path
from typing import Any

from PIL import Image

from gan_zoo.studies.records import FOLDER, Measure, PictureFile, Record, Value

SHARE = Measure("share", "Share", "higher", "Share of images.", (0.0, 1.0))


def make_record(**changes: Any) -> Record:
    """The record of a walk of two seeds of `gan`, with these changes."""
    rows = [(0, "trained", 0.5), (1, "trained", 0.7), (0, "random", 0.25), (1, "random", 0.25)]
    facts = {
        "study": "walk",
        "title": "Latent walk",
        "question": "Is it smooth?",
        "reading": "Blurred images are smooth too.",
        "source": "Paper",
        "measures": [SHARE],
        "values": [Value("gan", seed, "share", condition, value) for seed, condition, value in rows],
        "pictures": [PictureFile("gan", 0, "walk/a.webp", "A walk.", "walk/a.png", 2.0)],
        "settings": {"steps": 8, "classes": None},
        "provenance": {
            "data": "mnist",
            "extractor": "digits-cnn",
            "device": "CPU",
            "git_commit": "abc",
            "command": "gan-zoo study walk runs/x",
        },
    }
    return Record(**facts | changes)


def add_pictures(folder: Path) -> None:
    """Write the pictures of the record into a results folder."""
    place = folder / FOLDER / "walk"
    place.mkdir(parents=True)
    image = Image.new("L", (10, 4))
    image.save(place / "a.png")
    image.save(place / "a.webp", save_all=True, append_images=[Image.new("L", (10, 4), 9)])
