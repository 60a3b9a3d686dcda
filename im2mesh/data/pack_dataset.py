"""Pack a data set: one file for each clip and kind instead of one for each frame."""

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from im2mesh.data.clip_files import find_packed, has_folder, numbered_files, view_names
from im2mesh.data.fingerprint import fingerprint_of
from im2mesh.data.layout import (
    CLIP_NOTE,
    CLOUD_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    PACKABLE,
    PACKED_ENDING,
    DataError,
)
from im2mesh.data.packing import is_packed, pack_frames
from im2mesh.data.storage import StorageError, open_arrays
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file, remove_temporary_files

DESCRIPTION = "dataset.json"
"""Beside the categories of a data set that this program made."""
NUM_MEASURED = 32  # clips from whose sizes that of all clips is estimated
NUM_TOLD = 8  # clips that could not be packed, in the last message
GB = 1e9


def pack_dataset(root: Path, out: Path) -> None:
    """Pack all clips of a data set, those that no split names among them.

    What is there from an earlier time and holds the same frames stays, so a run that was
    interrupted goes on. Clips that cannot be packed do not stop the others.

    Args:
        root: The data set; it stays as it is.
        out: Folder of the new data set, made if it is missing.

    Raises:
        UserError: If there is no clip, no room on the disk, or a file of somebody else in the way;
            at the end, with the names of the clips that could not be packed.
    """
    _refuse_nested(root, out)
    clips = list(_clips(root))
    if not clips:
        raise DataError(
            f"{root} holds no clip, which has a folder {CLOUD_FOLDER} in a folder of a category"
        )
    left = [clip for clip in clips if not has_folder(out / clip, CLOUD_FOLDER)]
    _refuse_full_disk(out, _estimate([root / clip for clip in left]))
    problems = {}
    with tqdm(clips, unit="clip") as progress:
        for clip in progress:
            try:
                pack_clip(root / clip, out / clip)
            except DataError as error:
                problems[clip.as_posix()] = error
                tqdm.write(f"not packed: {error}")
    if problems:
        names = ", ".join(list(problems)[:NUM_TOLD])
        more = f" and {len(problems) - NUM_TOLD} more" if len(problems) > NUM_TOLD else ""
        raise UserError(
            f"{len(problems)} of {len(clips)} clips were not packed: {names}{more}; mend them, "
            "then run the same command again, which writes the split files, too"
        )
    for path in _lists(root):
        _copy(path, out / path.relative_to(root))


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
    for relative in _copied_files(clip):
        _copy(clip / relative, target / relative)
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
        _copy(packed, target)
    elif folder.is_dir() and not is_packed(folder, target):
        pack_frames(folder, target)


def _copied_files(clip: Path) -> Iterator[Path]:
    """Files of a clip that stay files of their own: meshes, images, the note of what made it."""
    folders = [clip / MESH_FOLDER]
    if (clip / IMAGE_FOLDER).is_dir():
        folders += [clip / IMAGE_FOLDER / view for view in view_names(clip / IMAGE_FOLDER)]
    for folder in folders:
        if folder.is_dir():
            names = numbered_files(folder, clip.name).names.values()
            yield from (folder.relative_to(clip) / name for name in names)
    if (clip / CLIP_NOTE).is_file():
        yield Path(CLIP_NOTE)


def _copy(source: Path, target: Path) -> None:
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


def _clips(root: Path) -> Iterator[Path]:
    """The folders of all clips, such as <category>/<clip>, sorted."""
    if not root.is_dir():
        raise DataError(f"data folder {root} does not exist")
    for category in _visible_folders(root):
        for clip in _visible_folders(category):
            if has_folder(clip, CLOUD_FOLDER):
                yield clip.relative_to(root)


def _lists(root: Path) -> Iterator[Path]:
    """The split files, and the description of the data set if there is one."""
    for category in _visible_folders(root):
        yield from sorted(path for path in category.glob("*.lst") if path.name[0] != ".")
    if (root / DESCRIPTION).is_file():
        yield root / DESCRIPTION


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _refuse_nested(root: Path, out: Path) -> None:
    """Refuse to write into the data set that is read, where nothing may change."""
    source, target = root.resolve(), out.resolve()
    if target == source or source in target.parents or target in source.parents:
        raise UserError(f"{out} and {root} lie in each other; choose a folder beside {root}")


def _estimate(clips: list[Path]) -> float:
    """Bytes that packing takes, from the first files of some of the clips."""
    some = clips[:: max(1, len(clips) // NUM_MEASURED)]
    return len(clips) * sum(map(_clip_size, some)) / max(1, len(some))


def _clip_size(clip: Path) -> int:
    try:
        copied = sum((clip / relative).stat().st_size for relative in _copied_files(clip))
        return copied + sum(_packed_size(clip / folder, clip.name) for folder in PACKABLE)
    except (DataError, StorageError):
        return 0  # it is told where it is packed


def _packed_size(folder: Path, clip: str) -> int:
    packed = find_packed(folder, clip)
    if packed is not None:
        return packed.stat().st_size
    if not folder.is_dir():
        return 0
    frames = numbered_files(folder, clip).names
    arrays = open_arrays(str(folder / next(iter(frames.values()))))
    return len(frames) * sum(arrays.location(name).num_bytes for name in arrays.names())


def _refuse_full_disk(out: Path, needed: float) -> None:
    there = next(path for path in (out, *out.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    tqdm.write(f"about {needed / GB:.3g} GB to write, {free / GB:.3g} GB are free")
    if needed > free:
        raise UserError(
            f"{out} needs about {needed / GB:.3g} GB, and {free / GB:.3g} GB are free there; free "
            "some space, or choose another folder"
        )
