"""Pack one clip: one file for each kind instead of one for each frame."""

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

from im2mesh.data.clip_files import camera_files, find_packed, numbered_files, view_names
from im2mesh.data.fingerprint import fingerprint_of
from im2mesh.data.layout import (
    CLIP_NOTE,
    IMAGE_FOLDER,
    MESH_FOLDER,
    PACKABLE,
    PACKED_ENDING,
    DataError,
)
from im2mesh.data.packing import is_packed, pack_frames
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file, remove_temporary_files


def pack_clip(clip: Path, target: Path) -> None:
    """Pack one clip, and compare the fingerprints of both.

    Point clouds come last: without them, half a clip is not taken for a whole one.

    Args:
        clip: Folder of the clip; it stays as it is.
        target: Folder of the packed clip; files of it that hold the same frames stay.

    Raises:
        DataError: If the clip is damaged, or cannot be packed; names the file.
        UserError: If a file of somebody else is in the way.
    """
    target.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(target)
    for relative in copied_files(clip):
        copy_file(clip / relative, target / relative)
    for folder in reversed(PACKABLE):
        _pack(clip / folder, target / f"{folder}{PACKED_ENDING}")
    ours, theirs = fingerprint_of(target), fingerprint_of(clip)
    if ours != theirs:
        raise DataError(
            f"clip {clip.name}: {target} has the fingerprint {ours}, and {clip} {theirs}; {clip} "
            f"changed, or {target} holds other files; move {target} away, then run again"
        )


def _pack(folder: Path, target: Path) -> None:
    packed = find_packed(folder, folder.parent.name)
    if packed is not None:
        copy_file(packed, target)
    elif folder.is_dir() and not is_packed(folder, target):
        pack_frames(folder, target)


def copied_files(clip: Path) -> Iterator[Path]:
    """Files of a clip that stay files of their own: meshes, images, the note of what made it."""
    if (clip / CLIP_NOTE).is_file():
        yield Path(CLIP_NOTE)  # first: it says whose the files are
    folders = [clip / MESH_FOLDER]
    if (clip / IMAGE_FOLDER).is_dir():
        folders += [clip / IMAGE_FOLDER / view for view in view_names(clip / IMAGE_FOLDER)]
    for folder in folders:
        if folder.is_dir():
            names = numbered_files(folder, clip.name).names.values()
            files = (*names, *camera_files(folder))
            yield from (folder.relative_to(clip) / name for name in files)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, unless a copy is there."""
    if target.exists():
        if not filecmp.cmp(source, target, shallow=False):
            raise UserError(
                f"{target} exists, and is no copy of {source}; move it away, or choose another "
                "folder"
            )
        return
    with source.open("rb") as old, atomic_file(target) as new:
        shutil.copyfileobj(old, new)
