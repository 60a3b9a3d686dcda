"""How a data set lies on disk: the folders of a clip, its numbered files, and the windows in it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.files.numbered import (
    READ_ENDINGS,
    NumberedFiles,
    NumberedFilesError,
    find_numbered,
    listed,
    refuse_holes,
)

CLOUD_FOLDER = "pcl_seq"  # surface points; its files say which frames a clip has
POINTS_FOLDER = "points_seq"  # points with their occupancy
NEAR_POINTS_FOLDER = "points_near_seq"  # points near the surface, with their occupancy
MESH_FOLDER = "mesh_seq"  # true meshes
IMAGE_FOLDER = "img"  # holds one folder per view
IMAGE_ENDINGS = ("jpg", "jpeg", "png")
CLIP_NOTE = "complete.json"  # of make_bodies.py: the settings that a clip was made with
MAX_NAME = 200  # bytes; file systems allow 255, endings included
LAYOUT_HINT = "; docs/data.md says what a clip holds"
HINTS = {
    POINTS_FOLDER: "; set loss.reconstruction=0 to train without labels, or write them as "
    "docs/data.md says",
    NEAR_POINTS_FOLDER: "; set data.near_surface_fraction to 0, or make the data with "
    "--near-surface-points",
}
"""Folder that a clip may lack -> the way out where it is asked for."""


class DataError(UserError):
    """The data on disk cannot be used as asked. The message names the clip and the file."""


@dataclass(frozen=True, order=True)
class Window:
    """`num_frames` evenly spaced frames of one clip.

    Category and clip are names of folders, both where data is read and where results are written;
    a name that leads elsewhere is refused.

    Attributes:
        start: Index of the first frame among the clip's sorted files (not the number in its name).
        frame_step: Distance between two frames of the window, in frames of the clip.
    """

    category: str
    clip: str
    start: int
    num_frames: int
    frame_step: int = 1

    def __post_init__(self) -> None:
        check_name(self.category, "category")
        check_name(self.clip, "clip")

    @property
    def name(self) -> str:
        """Name that is unique within the clip, also the name of the window's folder of results."""
        return _window_name(self.start, self.frame_step)

    @property
    def id(self) -> str:
        """Name that is unique within a data set."""
        return window_id(self.category, self.clip, self.start, self.frame_step)

    @property
    def place(self) -> str:
        """Name of the place where the window starts, whatever its length and step."""
        return window_id(self.category, self.clip, self.start, 1)

    def __str__(self) -> str:
        return f"{self.clip}/{self.name}"

    def index(self, frame: int) -> int:
        """Index of a frame of the window among the clip's sorted files."""
        return self.start + frame * self.frame_step


def window_id(category: str, clip: str, start: int, frame_step: int) -> str:
    """The name of a window, unique within a data set.

    Example:
        >>> window_id("50002", "chicken_wings", 15, 1)
        '50002/chicken_wings/00015'
        >>> window_id("50002", "chicken_wings", 15, 2)
        '50002/chicken_wings/00015_step2'
    """
    return f"{category}/{clip}/{_window_name(start, frame_step)}"


def _window_name(start: int, frame_step: int) -> str:
    return f"{start:05d}" if frame_step == 1 else f"{start:05d}_step{frame_step}"


def check_name(name: str, what: str) -> None:
    """Refuse what is not the name of one folder or file, such as ../x.

    Raises:
        DataError: If the name is empty, leads elsewhere, cannot be printed, or is too long.
    """
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set("/\\"):
        raise DataError(f"{what} {name[:MAX_NAME]!r} is not the name of a folder or file")
    if len(name.encode()) > MAX_NAME:
        raise DataError(f"{what} {name[:40]!r}... is longer than {MAX_NAME} bytes")


@functools.lru_cache(maxsize=1 << 14)
def clip_files(root: str | Path, category: str, clip: str, folder: str) -> tuple[str, ...]:
    """The files of one folder of a clip, one per frame.

    Files are matched to frames by the number in their names, because the padding differs between
    folders (`pcl_seq/00000080.npz`, `mesh_seq/00080.obj`).

    Raises:
        DataError: If there is no such folder, it lacks a frame, or two files are of one frame.
    """
    path = Path(root) / category / clip / folder
    files = numbered_files(path, clip).names
    numbers = frame_numbers(root, category, clip)
    missing = [number for number in numbers if number not in files]
    if missing:
        raise DataError(
            f"clip {clip}: {path} has no file for frame {missing[0]}, which {CLOUD_FOLDER} has; "
            "copy or make it again"
        )
    return tuple(str(path / files[number]) for number in numbers)


@functools.lru_cache(maxsize=1 << 14)
def frame_numbers(root: str | Path, category: str, clip: str) -> tuple[int, ...]:
    """The frame numbers of a clip, evenly spaced, as the names of its point clouds give them.

    Raises:
        DataError: If a file is missing between the first and the last.
    """
    folder = Path(root) / category / clip / CLOUD_FOLDER
    files = numbered_files(folder, clip)
    try:
        refuse_holes(folder, files, "copy the missing files or cut the clip in two")
    except NumberedFilesError as error:
        raise DataError(f"clip {clip}: {error}") from error
    return tuple(files.names)


def forget_files() -> None:
    """Look at the folders of clips anew: files may have come or gone since they were listed."""
    frame_numbers.cache_clear()
    clip_files.cache_clear()


def numbered_files(folder: Path, clip: str) -> NumberedFiles:
    """The frames in one folder of a clip.

    Raises:
        DataError: If there is no such folder, it holds no frame, or it is not plain which file is
            which frame.
    """
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


def view_names(folder: Path) -> list[str]:
    """Names of the folders of the views of a clip, sorted; hidden folders are none."""
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
