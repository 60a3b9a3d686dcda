"""Where an animated file of moving meshes lies, and when its frames are shown."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.files.written import replacing_files

ENDING = "glb"
FILE_NAME = f"sequence.{ENDING}"
"""In a folder of meshes, in place of one file per frame."""
FRAMES_PER_SECOND = 60.0
"""Where nothing says otherwise, as in D-FAUST."""


def animated_path(path: Path, format: str | None) -> Path | None:
    """The animated file that a path and a format name; None if they name another kind of file."""
    if path.suffix.lower() == f".{ENDING}" and format in (None, ENDING):
        return path
    return path / FILE_NAME if format == ENDING else None


def seconds_of(times: Float[np.ndarray, "T"], duration: float | None) -> Float[np.ndarray, "T"]:
    """When each frame is shown.

    Args:
        times: Times within [0, 1].
        duration: Seconds from time 0 to 1; None for `FRAMES_PER_SECOND` frames a second.

    Raises:
        ValueError: If the duration is not positive.
    """
    if duration is None:
        duration = max(len(times) - 1, 1) / FRAMES_PER_SECOND
    if not 0 < duration < float("inf"):
        raise ValueError(f"the duration must be a positive number of seconds, got {duration}")
    return duration * times


def write_animated(path: Path, content: bytes) -> None:
    """Write the file.

    Raises:
        UserError: If it would replace a file of somebody else.
    """
    with replacing_files(path.parent, [path.name]) as place:
        (place / path.name).write_bytes(content)
