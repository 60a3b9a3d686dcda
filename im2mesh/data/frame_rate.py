"""How many frames a second the clips of a data set have, as its files say."""

import json
from pathlib import Path

from im2mesh.data.layout import Window
from im2mesh.meshing.animated_file import FRAMES_PER_SECOND


def window_seconds(root: Path | str, window: Window) -> float:
    """Seconds from the first frame of a window to its last; `FRAMES_PER_SECOND` if no file of the
    data set says how long a frame lasts."""
    notes = (
        (Path(root) / window.category / "prepared.json", "fps"),
        (Path(root) / "dataset.json", "frames_per_second"),
    )
    found = (_positive(path, key) for path, key in notes)
    rate = next((value for value in found if value), FRAMES_PER_SECOND)
    return max(window.num_frames - 1, 1) * window.frame_step / rate


def _positive(path: Path, key: str) -> float | None:
    """A positive number of a JSON file; None if it does not say one."""
    try:
        value = json.loads(path.read_text("utf-8"))[key]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else None
