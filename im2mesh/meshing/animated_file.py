"""Where an animated file of moving meshes lies, and when its frames are shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.files.written import replacing_files

ENDINGS = {"glb": ".glb", "usd": ".usdc"}
"""Format -> ending of its files. The binary form of USD is .usdc."""
FILE_NAMES = {name: f"sequence{ending}" for name, ending in ENDINGS.items()}
"""Format -> name of the file in a folder of meshes, in place of one file per frame."""
FRAMES_PER_SECOND = 60.0
"""Where nothing says otherwise, as in D-FAUST."""


def animated_path(path: Path, format: str | None) -> Path | None:
    """The animated file that a path and a format name; None if they name another kind of file."""
    named = next((n for n, ending in ENDINGS.items() if path.suffix.lower() == ending), None)
    if named is not None and format in (None, named):
        return path
    return path / FILE_NAMES[format] if format in FILE_NAMES else None


def is_animated_name(path: Path) -> bool:
    """Whether a file may be an animated one, by its ending."""
    return path.suffix.lower() in ENDINGS.values()


def is_usd(path: Path) -> bool:
    return path.suffix.lower() == ENDINGS["usd"]


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


def write_animated(path: Path, write: Callable[[Path], object]) -> None:
    """Write the file.

    Args:
        path: Where it will lie.
        write: Writes its content to a path of the same name, from where it is moved when it is
            whole.

    Raises:
        UserError: If it would replace a file of somebody else.
    """
    with replacing_files(path.parent, [path.name]) as place:
        write(place / path.name)
