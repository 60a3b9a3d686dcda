"""A body that was reconstructed from pictures -> its windows, beside what the network saw."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from im2mesh.errors import UserError
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.runs.folder import PICTURES_FILE, SEEN_FOLDER, SEQUENCE_FILE
from im2mesh.studies.moving_file import MovingFile, read_moving_file
from im2mesh.visualization.panel import Panel


def is_of_pictures(path: Path) -> bool:
    """Whether generate.py --images wrote a folder, or it is one of the windows there."""
    return (path / PICTURES_FILE).is_file() or (
        (path / SEQUENCE_FILE).is_file() and (path.resolve().parent / PICTURES_FILE).is_file()
    )


def read_moving_pictures(path: Path) -> list[MovingFile]:
    """Read the windows of a folder that generate.py --images wrote, or one of these windows.

    Windows in which no surface was found are left out.

    Raises:
        UserError: If the folder is not whole, or no surface was found in any window.
    """
    folder = path if (path / PICTURES_FILE).is_file() else path.resolve().parent
    try:
        report = json.loads((folder / PICTURES_FILE).read_text("utf-8"))
        rate = float(report["rate"])
        if not 0 < rate < math.inf:
            raise ValueError(f"rate is {rate:g}")
        chosen = [
            w for w in report["windows"] if folder is path or w["folder"] == path.resolve().name
        ]
        if not chosen:
            raise ValueError(f"{PICTURES_FILE} does not name the window {path.name}")
        found = [window for window in chosen if _shows(folder / window["folder"])]
        read = _read_all(folder, found, rate)
    except UserError:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{folder} is not as generate.py --images wrote it ({error}); make it anew"
        ) from error
    if not read:
        raise UserError(
            f"{path}: no surface was found in its pictures, so there is nothing to show"
        )
    return read


def _shows(window: Path) -> bool:
    return not load_reconstruction(window / SEQUENCE_FILE).meshes[0].is_empty


def _read_all(folder: Path, windows: Sequence[dict[str, Any]], rate: float) -> list[MovingFile]:
    """Windows one after another. The last may begin earlier: of it, what is new is shown."""
    read, shown_to = [], 0
    for window in windows:
        first = int(window["folder"].removeprefix("window_"))
        read.append(_read(folder, window, first, max(0, shown_to - first) if read else 0, rate))
        shown_to = first + window["pictures"] - 1
    return read


def _read(
    folder: Path, window: dict[str, Any], first: int, skipped: int, rate: float
) -> MovingFile:
    """One window, whose first picture has that number, without some of its pictures."""
    moving = read_moving_file(folder / window["folder"] / SEQUENCE_FILE, up="y")
    left = range(skipped, window["pictures"])
    shown = moving.panel.prediction or {}
    panel = Panel(
        f"{Path(window['first']).name} and on",
        [],
        {k - skipped: shown[k] for k in left},
        {k - skipped: _read_image(folder / SEEN_FOLDER / f"{first + k:05d}.png") for k in left},
    )
    times = moving.times[skipped:] - moving.times[skipped]
    relative = times / times[-1]  # a film may be shorter than a window
    return replace(moving, panel=panel, times=relative, duration=(len(left) - 1) / rate)


def _read_image(path: Path) -> Float[np.ndarray, "3 H W"]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
