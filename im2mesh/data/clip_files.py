"""The files of a clip, one per frame, or one in which all frames of a folder are packed."""

import functools
from collections.abc import Sequence
from pathlib import Path

from im2mesh.data.layout import (
    CAMERA_FILE,
    CLOUD_FOLDER,
    HINTS,
    IMAGE_ENDINGS,
    IMAGE_FOLDER,
    LAYOUT_HINT,
    MESH_FOLDER,
    PACKABLE,
    PACKED_ENDING,
    DataError,
)
from im2mesh.data.manifest import read_table
from im2mesh.data.storage import StorageError, open_arrays
from im2mesh.data.streaming import forget_streams, is_streamed, streamed_clip
from im2mesh.files.numbered import (
    READ_ENDINGS,
    NumberedFiles,
    NumberedFilesError,
    find_numbered,
    listed,
    refuse_holes,
)


@functools.lru_cache(maxsize=1 << 14)
def clip_files(root: str | Path, category: str, clip: str, folder: str) -> tuple[str, ...]:
    """The files of one folder of a clip, one per frame; of a packed folder, those that were packed.

    Files are matched to frames by the number in their names, because the padding differs between
    folders (`pcl_seq/00000080.npz`, `mesh_seq/00080.obj`).

    Raises:
        DataError: If there is no such folder, it lacks a frame, or two files are of one frame.
    """
    path = Path(root) / category / clip / folder
    packed = packed_file(root, category, clip, folder)
    files = _numbered_files(path, clip, packed).names
    numbers = frame_numbers(root, category, clip)
    missing = [number for number in numbers if number not in files]
    if missing:
        raise DataError(
            f"clip {clip}: {packed or path} has no file for frame {missing[0]}, "
            f"which {CLOUD_FOLDER} has; copy or make it again"
        )
    return tuple(str(path / files[number]) for number in numbers)


@functools.lru_cache(maxsize=1 << 14)
def frame_numbers(root: str | Path, category: str, clip: str) -> tuple[int, ...]:
    """The frame numbers of a clip, evenly spaced, as the names of its point clouds give them.

    Raises:
        DataError: If a file is missing between the first and the last.
    """
    streamed = streamed_clip(Path(root) / category / clip)
    if streamed is not None:
        return streamed.numbers
    folder = Path(root) / category / clip / CLOUD_FOLDER
    files = _numbered_files(folder, clip, packed_file(root, category, clip, CLOUD_FOLDER))
    try:
        refuse_holes(folder, files, "copy the missing files or cut the clip in two")
    except NumberedFilesError as error:
        raise DataError(f"clip {clip}: {error}") from error
    return tuple(files.names)


@functools.lru_cache(maxsize=1 << 14)
def packed_file(root: str | Path, category: str, clip: str, folder: str) -> str | None:
    """Path of the file that holds all frames of a folder of a clip; None for a file per frame.

    Raises:
        DataError: As `find_packed`.
    """
    path = find_packed(Path(root) / category / clip / folder, clip)
    return None if path is None else str(path)


def forget_files() -> None:
    """Look at the folders of clips anew: files may have come or gone since they were listed."""
    for listing in (clip_files, frame_numbers, packed_file):
        listing.cache_clear()
    forget_streams()


def find_packed(folder: Path, clip: str) -> Path | None:
    """The file that stands in place of a folder of a clip, if there is one.

    Raises:
        DataError: If both are there: they may differ, and nobody would notice which one is read.
    """
    path = folder.with_name(folder.name + PACKED_ENDING)
    if folder.name not in PACKABLE or not (path.is_file() or is_streamed(path)):
        return None
    if folder.exists():
        raise DataError(
            f"clip {clip} has both the folder {folder} and the packed file {path}; move one of "
            "them away"
        )
    return path


def has_folder(clip_folder: Path, folder: str) -> bool:
    """Whether a clip has a folder of frames, or a packed file in its place."""
    path = clip_folder / folder
    return path.is_dir() or find_packed(path, clip_folder.name) is not None


def numbered_files(folder: Path, clip: str) -> NumberedFiles:
    """The frames in one folder of a clip; those of a packed one with the names that they had.

    Raises:
        DataError: If there is no such folder, it holds no frame, or it is not plain which file is
            which frame; or if a packed file is damaged.
    """
    return _numbered_files(folder, clip, find_packed(folder, clip))


def _numbered_files(folder: Path, clip: str, packed: str | Path | None) -> NumberedFiles:
    """The frames in a folder of which it is known whether it is packed: over a network, each look
    at a name takes a while."""
    streamed = streamed_clip(folder.parent) if packed is not None else None
    if streamed is not None:
        return NumberedFiles({number: f"{number:08d}.npz" for number in streamed.numbers}, ())
    if packed is not None:
        try:
            table = read_table(open_arrays(str(packed)))
            return NumberedFiles(dict(zip(table.places, table.names, strict=True)), ())
        except StorageError as error:
            raise DataError(f"clip {clip}: {error}") from error
    if not folder.is_dir():
        if not folder.parent.is_dir():
            raise DataError(
                f"clip {clip} is in a split file, but there is no folder {folder.parent}; copy it "
                "there, or remove the name from the split file"
            )
        raise DataError(f"clip {clip}: no folder {folder}{HINTS.get(folder.name, LAYOUT_HINT)}")
    endings = endings_in(folder)
    try:
        files = find_numbered(folder, endings)
    except NumberedFilesError as error:
        raise DataError(f"clip {clip}: {error}") from error
    if not files.names:
        raise DataError(
            f"clip {clip}: {folder} holds no numbered .{' or .'.join(endings)} file, but "
            f"{listed(files.others)}{LAYOUT_HINT}"
        )
    return files


def endings_in(folder: Path) -> Sequence[str]:
    """The endings of the files that are read in a folder of a clip; all others are no data."""
    if folder.name == MESH_FOLDER:
        return READ_ENDINGS
    return IMAGE_ENDINGS if folder.parent.name == IMAGE_FOLDER else ("npz",)


def camera_files(folder: Path) -> list[str]:
    """Name of the file of a view's cameras, if there is one; other folders have none."""
    is_view = folder.parent.name == IMAGE_FOLDER
    return [CAMERA_FILE] if is_view and (folder / CAMERA_FILE).is_file() else []


def view_names(folder: Path) -> list[str]:
    """Names of the folders of the views of a clip, sorted; hidden folders are none."""
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
