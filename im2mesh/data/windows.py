"""Split files -> the windows in the clips that they name. Reads no arrays."""

import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path

from im2mesh.data.clip_files import frame_numbers, has_folder
from im2mesh.data.layout import CLOUD_FOLDER, DataError, Window, check_name
from im2mesh.errors import Advice, UserError
from im2mesh.files.numbered import listed

ALL_CLIPS = "all"
"""Split of all clips of a category, for folders without split files."""
_WITHOUT_FILES = f" (split {ALL_CLIPS} takes every clip, and needs no file)"


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
        split: Name of the split file `<root>/<category>/<split>.lst`, without ending; without
            such a file, "all" names every folder of the category.
        num_frames: Length T of a window.
        stride: Frames from the start of a window to the start of the next one in its clip.
        skip_frames: Frames left out at the start of each clip.
        frame_step: Distance between two frames of a window, in frames of the clip.
        categories: Folders to read; None for all that have this split.
        clips: Keep only these clips of the split; None for all.

    Raises:
        DataError: If nothing is left: no folder, no split file, no clip long enough; or if a name
            is not that of a folder or file.
    """
    root = Path(root)
    names = _categories(root, split, categories)
    members = [(name, clip) for name in names for clip in read_split(root / name, split)]
    if not members:
        files = ", ".join(str(root / name / f"{split}.lst") for name in names)
        if split == ALL_CLIPS:
            raise DataError(
                f"{root} holds no folder of a clip, which has a folder {CLOUD_FOLDER}; set "
                "data.root and data.categories"
            )
        raise DataError(f"split file {files} names no clip; write one name a line")
    if clips is not None:
        _refuse_unknown_clips(clips, [clip for _, clip in members], split)
        members = [(name, clip) for name, clip in members if clip in clips]
    span = (num_frames - 1) * frame_step + 1
    windows, short = [], []
    for category, clip in members:
        last_start = len(frame_numbers(root, category, clip)) - span
        starts = range(skip_frames, last_start + 1, stride)
        windows += [Window(category, clip, start, num_frames, frame_step) for start in starts]
        short += [] if starts else [clip]
    needed = (
        f"{span} frames"
        if frame_step == 1
        else f"{span} frames (a window of {num_frames} frames, {frame_step} apart)"
    )
    if windows and short:
        warnings.warn(
            f"split '{split}' has clips without {needed} after the first {skip_frames}, which are "
            f"left out: {', '.join(short)}",
            Advice,
            stacklevel=2,
        )
    if not windows:
        raise DataError(
            f"split '{split}' of {root} has no window: none of its {len(members)} clips has "
            f"{needed} after the first {skip_frames}; "
            "lower data.num_frames or data.skip_frames"
            + ("" if frame_step == 1 else ", or data.frame_step")
        )
    return windows


def read_split(category_folder: Path, split: str) -> list[str]:
    """The clip names of one split file, blank lines left out; `ALL_CLIPS` needs no file.

    Raises:
        DataError: If there is no such file, or a line of it is not the name of a folder.
    """
    check_name(split, "split")
    file = category_folder / f"{split}.lst"
    if split == ALL_CLIPS and not file.is_file():
        return _clips(category_folder)
    if not file.is_file():
        found = (path.stem for path in category_folder.glob("*.lst") if path.name[0] != ".")
        present = ", ".join(sorted(found)) or "none"
        raise DataError(f"no split file {file}; splits there: {present}{_WITHOUT_FILES}")
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8 ({error}); write it again") from error
    for number, line in enumerate(lines, start=1):
        if line:
            check_name(line, f"{file}, line {number}: clip")
    return [line for line in lines if line]


def _categories(root: Path, split: str, categories: Sequence[str] | None) -> list[str]:
    if not root.is_dir():
        raise DataError(
            f"data folder {root} does not exist; set data.root, or make the data (docs/data.md)"
        )
    check_name(split, "split")
    if categories is not None:
        for category in categories:
            check_name(category, "category")
            if not (root / category).is_dir():
                raise DataError(
                    f"no category '{category}' in {root}; there are: "
                    f"{', '.join(_folders(root)) or 'none'}; set data.categories"
                )
        return list(categories)
    folders = _folders(root)
    found = [name for name in folders if (root / name / f"{split}.lst").is_file()]
    if split == ALL_CLIPS and not found:
        found = [name for name in folders if any(map(_is_clip, (root / name).iterdir()))]
    if not found and split != ALL_CLIPS:
        raise DataError(
            f"no file {root}/<category>/{split}.lst; check data.root and the name of the split"
            f"{_WITHOUT_FILES}"
        )
    return found


def _folders(path: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted."""
    return sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _clips(category_folder: Path) -> list[str]:
    """Names of the folders of clips; a warning names those that are none."""
    names = _folders(category_folder)
    clips = [name for name in names if _is_clip(category_folder / name)]
    if clips and len(clips) < len(names):
        warnings.warn(
            f"split '{ALL_CLIPS}' leaves out folders of {category_folder} without {CLOUD_FOLDER}: "
            f"{listed(set(names) - set(clips))}",
            Advice,
            stacklevel=4,
        )
    return clips


def _is_clip(folder: Path) -> bool:
    return has_folder(folder, CLOUD_FOLDER)


def _refuse_unknown_clips(clips: Sequence[str], known: list[str], split: str) -> None:
    unknown = sorted(set(clips) - set(known))
    if unknown:
        raise DataError(
            f"{', '.join(unknown)} not in split '{split}'; its clips are: {', '.join(known)}"
        )


_SHOWN = 8  # names in an error message


def find_window(windows: Sequence[Window], name: str) -> Window:
    """The window named CLIP/START, such as 01_hips/00000, or CATEGORY/CLIP/START.

    Raises:
        UserError: If there is none, or several categories have one.
    """
    found = [window for window in windows if name in _names(window)]
    if len(found) == 1:
        return found[0]
    if found:
        full = ", ".join(_names(window)[1] for window in found)
        raise UserError(f"window {name} is in several categories; say which: {full}")
    known = [str(window) for window in windows]
    near = sorted(difflib.get_close_matches(name, known, _SHOWN, cutoff=0.0))
    rest = f" and {len(known) - len(near)} more" if len(known) > len(near) else ""
    raise UserError(
        f"no window {name}; there are: {', '.join(near)}{rest} (windows start every "
        "data.eval_stride frames; --split chooses the clips)"
    )


def _names(window: Window) -> tuple[str, str]:
    return str(window), window.id
