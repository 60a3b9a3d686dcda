"""Fingerprints, which tell data sets with equal names apart without reading all of their files."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from im2mesh.data.clip_files import camera_files, find_packed, numbered_files, view_names
from im2mesh.data.layout import (
    CLIP_NOTE,
    CLOUD_FOLDER,
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    PACKABLE,
    POINTS_FOLDER,
    DataError,
    Window,
)
from im2mesh.data.manifest import read_manifest
from im2mesh.data.storage import StorageError, open_arrays
from im2mesh.data.streaming import streamed_clip
from im2mesh.files.hashes import DIGITS
from im2mesh.files.npz import NpzError, read_checksums


def dataset_fingerprint(root: str | Path, windows: Iterable[Window]) -> str:
    """A hash of the clips that hold the windows, by `clip_fingerprint`, wherever windows start."""
    digest = hashlib.sha256()
    for category, clip in sorted({(window.category, window.clip) for window in windows}):
        digest.update(f"{clip_fingerprint(root, category, clip)} {category}/{clip}\n".encode())
    return digest.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=1 << 14)
def clip_fingerprint(root: str | Path, category: str, clip: str) -> str:
    """The fingerprint of a clip (see `fingerprint_of`), computed once; that of a clip which is
    streamed stands in the catalogue, so that it need not be fetched."""
    folder = Path(root) / category / clip
    streamed = streamed_clip(folder)
    return fingerprint_of(folder) if streamed is None else streamed.fingerprint


def fingerprint_of(folder: Path) -> str:
    """A hash of the names and sizes of a clip's files, and of the contents of some.

    Only files that are read count; so a file that a file manager leaves changes nothing. Sizes
    alone would not do: frames with equally many points have files of equal size. So the first and
    the last npz of each folder add the checksums of their arrays, which stand in the table of
    contents of each file. A change in other frames that keeps all sizes is not noticed.

    A packed clip has the fingerprint of the files that were packed, which its manifest tells: it is
    the same data. The manifest must fit the arrays beside it, or the file is refused.

    Raises:
        DataError: If the clip is missing, or one of these npz files or a packed file is damaged.
    """
    clip = folder.name
    if not folder.is_dir():
        raise DataError(f"clip {clip}: no folder {folder}")
    digest = hashlib.sha256()
    packed = {
        name: _PackedFiles(path, clip)
        for name in PACKABLE
        if (path := find_packed(folder / name, clip)) is not None
    }
    for relative, names in _files_read(folder, clip):
        read = packed.get(relative) or _FilesOf(folder / relative, clip)
        for name in names:
            digest.update(f"{relative}/{name} {read.size(name)}\n".encode())
        npz = [name for name in names if name.lower().endswith(".npz")]
        for name in npz[:: max(1, len(npz) - 1)]:
            digest.update(repr(sorted(read.checksums(name).items())).encode())
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
    parts = (MESH_FOLDER, CLOUD_FOLDER, NEAR_POINTS_FOLDER, POINTS_FOLDER, DEPTH_FOLDER)
    with suppress(DataError):  # what readers refuse, they refuse where it is needed
        frames = numbered_files(folder / CLOUD_FOLDER, clip).names.keys()
        for relative in (*(f"{IMAGE_FOLDER}/{view}" for view in views), *parts):
            with suppress(DataError):
                names = numbered_files(folder / relative, clip).names
                cameras = camera_files(folder / relative)
                yield relative, sorted(names[frame] for frame in names.keys() & frames) + cameras


class _FilesOf:
    """The files of a folder."""

    def __init__(self, folder: Path, clip: str) -> None:
        self.folder, self.clip = folder, clip

    def size(self, name: str) -> int:
        path = self.folder / name
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            raise DataError(
                f"clip {self.clip}: {path} leads to no file; copy or make it again"
            ) from error

    def checksums(self, name: str) -> Mapping[str, int]:
        """Name of each member -> its checksum."""
        path = self.folder / name
        try:
            return read_checksums(path)
        except NpzError as error:
            raise DataError(
                f"clip {self.clip}: {path} is not an intact npz file ({error}); copy or create it "
                "again"
            ) from error


class _PackedFiles:
    """The files that were packed into one, as its manifest tells them."""

    def __init__(self, path: Path, clip: str) -> None:
        try:
            self.files = {file.name: file for file in read_manifest(open_arrays(str(path))).files}
        except StorageError as error:
            raise DataError(f"clip {clip}: {error}") from error

    def size(self, name: str) -> int:
        return self.files[name].size

    def checksums(self, name: str) -> Mapping[str, int]:
        return self.files[name].checksums
