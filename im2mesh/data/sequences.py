"""Split files -> the windows of frames they name. No arrays."""

import functools
import glob
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from im2mesh.errors import UserError

CLOUD_FOLDER = "pcl_seq"
POINTS_FOLDER = "points_seq"
NEAR_POINTS_FOLDER = "points_near_seq"
MESH_FOLDER = "mesh_seq"
IMAGE_FOLDER = "img"  # holds one folder per view
MAX_NAME = 200  # bytes; file systems allow 255, endings included
LAYOUT_HINT = "; docs/data.md says what a clip holds"
NEAR_POINTS_HINT = (
    "; set data.near_surface_fraction to 0, or make the data with --near-surface-points"
)


class DataError(UserError):
    """The data on disk cannot be used as asked. The message names the clip and the file."""


@dataclass(frozen=True, order=True)
class Window:
    """`num_frames` evenly spaced frames of one clip.

    Category and clip are names of folders, both where data is read and where results are written;
    a name that leads elsewhere is refused.

    Attributes:
        start: Index of the first frame among the clip's sorted files (not the number in its name).
        frame_step: Frames of the clip from one frame of the window to the next.
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
        """Tells it from the other windows of its clip; the name of its folder."""
        step = "" if self.frame_step == 1 else f"_step{self.frame_step}"
        return f"{self.start:05d}{step}"

    def __str__(self) -> str:
        return f"{self.clip}/{self.name}"

    def index(self, frame: int) -> int:
        """Place of a frame of the window among the clip's sorted files."""
        return self.start + frame * self.frame_step


def check_name(name: str, what: str) -> None:
    """Refuse what is not the name of one folder or file, such as ../x.

    Raises:
        DataError: Names what it is and why it cannot be used.
    """
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set("/\\"):
        raise DataError(f"{what} {name[:MAX_NAME]!r} is not the name of a folder or file")
    if len(name.encode()) > MAX_NAME:
        raise DataError(f"{what} {name[:40]!r}... is longer than {MAX_NAME} bytes")


def read_windows(
    root: str | Path,
    split: str,
    *,
    num_frames: int,
    stride: int,
    skip_frames: int,
    frame_step: int = 1,
    categories: Sequence[str] | None = None,
    clips: Sequence[str] | None = None,
) -> list[Window]:
    """List the windows of a split, in the order of its file.

    Args:
        root: Data folder; holds one folder per category.
        split: Name of the split file `<root>/<category>/<split>.lst`, without ending.
        num_frames: Length T of a window.
        stride: Frames between the starts of two windows of a clip.
        skip_frames: Frames left out at the start of each clip.
        frame_step: Frames of a clip from one frame of a window to the next.
        categories: Folders to read; None for all that have this split.
        clips: Keep only these clips of the split; None for all.

    Raises:
        DataError: If nothing is left: no folder, no split file, no clip long enough; or if a name
            is none.
    """
    root = Path(root)
    names = _categories(root, split, categories)
    listed = [(name, clip) for name in names for clip in read_split(root / name, split)]
    if not listed:
        files = ", ".join(str(root / name / f"{split}.lst") for name in names)
        raise DataError(f"split file {files} names no clip; write one name a line")
    if clips is not None:
        _refuse_unknown_clips(clips, [clip for _, clip in listed], split)
        listed = [(name, clip) for name, clip in listed if clip in clips]
    span = (num_frames - 1) * frame_step + 1
    windows, short = [], []
    for category, clip in listed:
        last_start = len(frame_numbers(root, category, clip)) - span
        starts = range(skip_frames, last_start + 1, stride)
        windows += [Window(category, clip, start, num_frames, frame_step) for start in starts]
        short += [] if starts else [clip]
    needed = (
        f"{span} frames" if frame_step == 1 else f"{span} frames ({num_frames}, {frame_step} apart)"
    )
    if windows and short:
        warnings.warn(
            f"split '{split}': too short for a window of {needed} after the first "
            f"{skip_frames}, left out: {', '.join(short)}",
            stacklevel=2,
        )
    if not windows:
        raise DataError(
            f"split '{split}' of {root} has no window: none of its {len(listed)} clips has "
            f"{needed} after the first {skip_frames}; "
            "lower data.num_frames or data.skip_frames"
            + ("" if frame_step == 1 else ", or data.frame_step")
        )
    return windows


def read_split(category_folder: Path, split: str) -> list[str]:
    """The clip names of one split file, blank lines left out.

    Raises:
        DataError: If there is no such file, or a line of it is not the name of a folder.
    """
    check_name(split, "split")
    file = category_folder / f"{split}.lst"
    if not file.is_file():
        present = ", ".join(sorted(path.stem for path in category_folder.glob("*.lst"))) or "none"
        raise DataError(f"no split file {file}; splits there: {present}")
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8 ({error}); write it again") from error
    for number, line in enumerate(lines, start=1):
        if line:
            check_name(line, f"{file}, line {number}: clip")
    return [line for line in lines if line]


@functools.lru_cache(maxsize=1 << 14)
def clip_files(root: str | Path, category: str, clip: str, folder: str) -> tuple[str, ...]:
    """The files of one folder of a clip, one per frame.

    Files are matched to frames by the number in their names, because the padding differs between
    folders (`pcl_seq/00000080.npz`, `mesh_seq/00080.obj`).

    Raises:
        DataError: If there is no such folder, or it lacks a frame.
    """
    path = Path(root) / category / clip / folder
    files = _numbered_files(path, clip)
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
    """The frame numbers of a clip, evenly spaced: those of its point clouds.

    Raises:
        DataError: If a file is missing between the first and the last.
    """
    folder = Path(root) / category / clip / CLOUD_FOLDER
    numbers = tuple(_numbered_files(folder, clip))
    spacing = min((b - a for a, b in pairwise(numbers)), default=1)
    for before, after in pairwise(numbers):
        if after - before != spacing:
            raise DataError(
                f"clip {clip}: {folder} has frames {before} and {after} but none between; "
                "copy the missing files or cut the clip in two"
            )
    return numbers


def _numbered_files(folder: Path, clip: str) -> dict[int, str]:
    """Frame number -> file name, increasing."""
    if not folder.is_dir():
        hint = NEAR_POINTS_HINT if folder.name == NEAR_POINTS_FOLDER else LAYOUT_HINT
        if not folder.parent.is_dir():
            raise DataError(
                f"clip {clip} is in a split file, but there is no folder {folder.parent}; copy it "
                "there, or remove the name from the split file"
            )
        raise DataError(f"clip {clip}: no folder {folder}{hint}")
    files = {int(path.stem): path.name for path in folder.iterdir() if path.stem.isdecimal()}
    if not files:
        raise DataError(f"clip {clip}: {folder} holds no numbered file{LAYOUT_HINT}")
    return dict(sorted(files.items()))


def _categories(root: Path, split: str, categories: Sequence[str] | None) -> list[str]:
    if not root.is_dir():
        raise DataError(f"data folder {root} does not exist; set data.root")
    check_name(split, "split")
    if categories is not None:
        for category in categories:
            check_name(category, "category")
            if not (root / category).is_dir():
                raise DataError(
                    f"no category '{category}' in {root}; there are: {_folders(root)}; set "
                    "data.categories"
                )
        return list(categories)
    found = sorted(path.parent.name for path in root.glob(f"*/{glob.escape(split)}.lst"))
    if not found:
        raise DataError(
            f"no file {root}/<category>/{split}.lst; check data.root and the name of the split"
        )
    return found


def _folders(path: Path) -> str:
    return ", ".join(sorted(entry.name for entry in path.iterdir() if entry.is_dir())) or "none"


def _refuse_unknown_clips(clips: Sequence[str], listed: list[str], split: str) -> None:
    unknown = sorted(set(clips) - set(listed))
    if unknown:
        raise DataError(
            f"{', '.join(unknown)} not in split '{split}'; its clips are: {', '.join(listed)}"
        )
