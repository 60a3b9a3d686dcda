"""Fingerprints, which tell data sets with equal names apart without reading all of their files."""

import functools
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from im2mesh.data.layout import (
    CLIP_NOTE,
    CLOUD_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
    DataError,
    Window,
    numbered_files,
    view_names,
)
from im2mesh.errors import is_refused_by_system
from im2mesh.files.hashes import DIGITS


def dataset_fingerprint(root: str | Path, windows: Iterable[Window]) -> str:
    """A hash of the clips that hold the windows, by `clip_fingerprint`, wherever windows start."""
    digest = hashlib.sha256()
    for category, clip in sorted({(window.category, window.clip) for window in windows}):
        digest.update(f"{clip_fingerprint(root, category, clip)} {category}/{clip}\n".encode())
    return digest.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=1 << 14)
def clip_fingerprint(root: str | Path, category: str, clip: str) -> str:
    """A hash of the names and sizes of a clip's files, and of the contents of some.

    Only files that are read count; so a file that a file manager leaves changes nothing. Sizes
    alone would not do: frames with equally many points have files of equal size. So the first and
    the last npz of each folder add the checksums of their arrays, which stand in the table of
    contents of each file. A change in other frames that keeps all sizes is not noticed.

    Raises:
        DataError: If the clip is missing, or one of these npz files is damaged.
    """
    folder = Path(root) / category / clip
    if not folder.is_dir():
        raise DataError(f"clip {clip}: no folder {folder}")
    digest = hashlib.sha256()
    for relative, names in _files_read(folder, clip):
        for name in names:
            size = _size(folder / relative / name, clip)
            digest.update(f"{relative}/{name} {size}\n".encode())
        npz = [name for name in names if name.lower().endswith(".npz")]
        for name in npz[:: max(1, len(npz) - 1)]:
            digest.update(_checksums(folder / relative / name, clip))
    return digest.hexdigest()[:DIGITS]


def _files_read(folder: Path, clip: str) -> Iterator[tuple[str, list[str]]]:
    """The folders of a clip that readers know, links to folders among them, with their files of the
    frames that the clip has.

    The order is that of the walk over all files of earlier versions, so that fingerprints stay.
    """
    if (folder / CLIP_NOTE).is_file():
        yield ".", [CLIP_NOTE]
    images = folder / IMAGE_FOLDER
    views = view_names(images) if images.is_dir() else []
    parts = (MESH_FOLDER, CLOUD_FOLDER, NEAR_POINTS_FOLDER, POINTS_FOLDER)
    with suppress(DataError):  # what readers refuse, they refuse where it is needed
        frames = numbered_files(folder / CLOUD_FOLDER, clip).names.keys()
        for relative in (*(f"{IMAGE_FOLDER}/{view}" for view in views), *parts):
            with suppress(DataError):
                names = numbered_files(folder / relative, clip).names
                yield relative, sorted(names[frame] for frame in names.keys() & frames)


def _size(path: Path, clip: str) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise DataError(f"clip {clip}: {path} leads to no file; copy or make it again") from error


def _checksums(path: Path, clip: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            sums = {info.filename: info.CRC for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        if is_refused_by_system(error):
            raise
        raise DataError(
            f"clip {clip}: {path} is not an intact npz file ({error}); copy or create it again"
        ) from error
    return repr(sorted(sums.items())).encode()
