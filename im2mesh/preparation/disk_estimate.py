"""How much a data set will take, before it is written."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.files.sizes import in_words
from im2mesh.preparation.clip_writer import ClipWriter
from im2mesh.preparation.settings import PreparationSettings

_PER_FILE = 3000  # bytes: names and shapes of arrays, and half a block of the disk
_LABELLED_POINT = 6 + 1 / 8  # bytes: three float16 and a bit
_SURFACE_POINT = 12  # with its normal


def estimate_bytes(writers: Sequence[ClipWriter], workers: int) -> tuple[int, int]:
    """What the missing frames of some clips will take: for good, and at most while they are
    written, with so many clips at once.

    Meshes are taken to be as large as the first one that is missing.
    """
    missing = [writer for writer in writers if any(writer.frames_to_write())]
    if not missing:
        return 0, 0
    lasting, passing = zip(*(writer.frames_to_write() for writer in missing), strict=True)
    settings = missing[0].settings
    per_frame = _points_bytes(settings) + _PER_FILE * len(missing[0].frame_paths(0))
    if settings.meshes:
        per_frame += next((size for size in map(_mesh_bytes, missing) if size), 0)
    return round(sum(lasting) * per_frame), round(sum(sorted(passing)[-workers:]) * per_frame)


def refuse_full_disk(folder: Path, needed: int, way_out: str) -> int:
    """The free bytes where the folder is or will be.

    Raises:
        UserError: If they are fewer than needed.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise UserError(
            f"the data will take about {in_words(needed)}, and {there} has {in_words(free)} free; "
            f"{way_out}"
        )
    return free


def _points_bytes(settings: PreparationSettings) -> float:
    labelled = settings.occupancy_points + settings.near_surface_points
    return _SURFACE_POINT * settings.surface_points + _LABELLED_POINT * labelled


def _mesh_bytes(writer: ClipWriter) -> int:
    """Of the binary PLY of one frame: three float32 a vertex, a byte and three int32 a face.

    A clip that cannot be read gives 0; it is told when it is its turn.
    """
    try:
        with writer.source.open() as read:
            mesh = read(0)
    except ValueError:
        return 0
    return 12 * len(mesh.vertices) + 13 * len(mesh.faces)
