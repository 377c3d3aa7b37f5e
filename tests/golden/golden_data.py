"""Fingerprints of the samples of every data set that is on this machine."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from golden_store import Golden, Unavailable, Values
from PIL import Image

from gan_zoo import NUMERICS_VERSION, data

SIDES = (28, 32)
_SIZES = {"L": (31, 47), "I;16": (40, 33), "RGB": (64, 50), "RGBA": (20, 20)}


def goldens() -> dict[str, Golden]:
    """The golden values of every registered data set, and of a folder of PNG files, by name."""
    made = {name: partial(_registered, name) for name in data.names()} | {"folder": _folder}
    return {
        name: Golden(
            {
                "NUMERICS_VERSION": NUMERICS_VERSION,
                f"revision of {name}": data.revision("folder:" if name == "folder" else name),
            },
            values,
        )
        for name, values in made.items()
    }


def _registered(name: str) -> Values:
    try:
        return _fingerprints(name, channels=(None, 3) if name == "digits" else (None,))
    except data.DataMissing as missing:
        raise Unavailable(str(missing)) from None


def _folder() -> Values:
    """Images of all modes in two classes, more than ten in each, so that the split is drawn."""
    random = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as place:
        for label in ("first", "second"):
            (Path(place) / label).mkdir()
            for mode, size in _SIZES.items():
                for index in range(4):
                    pixels = random.randint(0, 65_536, (size[1], size[0], len(mode) if mode != "I;16" else 1))
                    image = _image(mode, pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
                    image.save(Path(place) / label / f"{mode.replace(';', '')}-{index}.png")
        return _fingerprints(f"folder:{place}", channels=(None, 1))


def _image(mode: str, pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint16) if mode == "I;16" else (pixels // 256).astype(np.uint8))


def _fingerprints(name: str, channels: tuple[int | None, ...]) -> Values:
    found: Values = {}
    for count in channels:
        for side in SIDES:
            loaded = data.load(name, side=side, channels=count, download=False)
            key = f"side {side}" if count is None else f"side {side}, channels {count}"
            found[key if loaded.kind == "images" else "points"] = loaded.fingerprint
    return found
