"""Write packed files: the frames of one folder of a clip, in one file (see `packed`)."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from im2mesh.data.clip_files import numbered_files
from im2mesh.data.layout import DataError
from im2mesh.data.manifest import MANIFEST, Manifest, PackedFile, read_manifest
from im2mesh.data.packed import PackedClip
from im2mesh.data.storage import StorageError, StoredArrays, open_arrays
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file

ALIGNMENT = 64  # bytes; numpy copies an array that starts at an odd place before it takes rows
_TIME = (1980, 1, 1, 0, 0, 0)  # of all members, as numpy writes it: the same frames, the same bytes


class _Kind(NamedTuple):
    """What all frames have in common in one of their arrays.

    Attributes:
        rows: Number of rows of each frame, if frames differ in it.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    rows: tuple[int, ...] | None


def pack_frames(folder: Path, target: Path) -> None:
    """Pack the numbered npz files of a folder, then compare every frame with its file.

    Args:
        folder: A folder of a clip, such as <clip>/pcl_seq; it stays as it is.
        target: The file to write, such as <clip of another data set>/pcl_seq.npz. The same frames
            give the same bytes.

    Raises:
        DataError: If a file is damaged, or so unlike the others that one array cannot hold both;
            names the file. Then nothing is written.
        UserError: If the target exists.
    """
    clip = folder.parent.name
    if target.exists():
        raise UserError(f"{target} exists; move it away, or choose another folder")
    frames = numbered_files(folder, clip).names
    paths = [str(folder / name) for name in frames.values()]
    try:
        kinds = _common_kinds(paths)
        files = [
            PackedFile(number, name, Path(path).stat().st_size, _intact_checksums(path))
            for (number, name), path in zip(frames.items(), paths, strict=True)
        ]
        with atomic_file(target) as file:
            _write(file, paths, kinds, files)
            file.flush()
            _compare(file.name, paths)
    except StorageError as error:
        raise DataError(f"clip {clip}: {error}") from error


def is_packed(folder: Path, target: Path) -> bool:
    """Whether a packed file is there and holds the frames of a folder.

    Numbers, names and sizes of all files are compared, and the checksums of the first and the last
    one, as in the fingerprint of a clip.

    Raises:
        UserError: If the target is something else.
        DataError: If the first or last file is damaged.
    """
    if not target.exists():
        return False
    try:
        files = read_manifest(open_arrays(str(target))).files
    except StorageError as error:
        raise UserError(f"{error}, or move it away") from error
    try:
        is_same = _are_files_of(folder, files)
    except StorageError as error:
        raise DataError(f"clip {folder.parent.name}: {error}") from error
    if not is_same:
        raise UserError(
            f"{target} was packed from other files than those of {folder}; move it away to pack "
            "them, or choose another folder"
        )
    return True


def _are_files_of(folder: Path, files: Sequence[PackedFile]) -> bool:
    frames = numbered_files(folder, folder.parent.name).names
    found = [(number, name, (folder / name).stat().st_size) for number, name in frames.items()]
    if found != [(file.number, file.name, file.size) for file in files]:
        return False
    ends = (files[0], files[-1])
    return all(file.checksums == open_arrays(str(folder / file.name)).checksums() for file in ends)


def _common_kinds(paths: Sequence[str]) -> dict[str, _Kind]:
    """Name of an array -> what all files have in common in it.

    Raises:
        StorageError: If a file lacks an array, has another one, or one of another kind.
    """
    shapes: dict[str, list[tuple[int, ...]]] = {}
    first = open_arrays(paths[0])
    for path in paths:
        arrays = open_arrays(path)
        _refuse_other_names(arrays, first)
        for name in first.names():
            _refuse_unlike(name, arrays, first)
            shapes.setdefault(name, []).append(arrays.location(name).shape)
    return {name: _join(first.location(name).dtype, found) for name, found in shapes.items()}


def _join(dtype: np.dtype, shapes: Sequence[tuple[int, ...]]) -> _Kind:
    """How arrays of these shapes lie in one: stacked, or one after another."""
    if len(set(shapes)) == 1:
        return _Kind(dtype, (len(shapes), *shapes[0]), None)
    rows = tuple(shape[0] for shape in shapes)
    return _Kind(dtype, (sum(rows), *shapes[0][1:]), rows)


def _refuse_other_names(arrays: StoredArrays, first: StoredArrays) -> None:
    differing = set(arrays.names()) ^ set(first.names())
    if MANIFEST in first.names():
        raise StorageError(f"{first.path} has an array '{MANIFEST}', which is no name for one here")
    if differing or not first.names():
        raise StorageError(
            f"{arrays.path} holds {', '.join(arrays.names()) or 'nothing'}, and {first.path} "
            f"{', '.join(first.names()) or 'nothing'}; frames are packed if all have the same "
            "arrays: write them alike, or leave the clip as a folder"
        )


def _refuse_unlike(name: str, arrays: StoredArrays, first: StoredArrays) -> None:
    here, there = arrays.location(name), first.location(name)
    is_alike = here.dtype == there.dtype and here.shape[1:] == there.shape[1:]
    if not is_alike or len(here.shape) != len(there.shape):
        raise StorageError(
            f"{arrays.path}: {name} is {here.dtype} {list(here.shape)}, in {first.path} "
            f"{there.dtype} {list(there.shape)}; frames are packed if they differ in their numbers "
            "of points alone: write them alike, or leave the clip as a folder"
        )


def _intact_checksums(path: str) -> dict[str, int]:
    """The checksums that a file tells, which all of its content has."""
    arrays = open_arrays(path)
    for name in arrays.names():
        if not arrays.is_intact(name):
            raise StorageError(f"{path}: '{name}' is damaged; copy or create it again")
    return arrays.checksums()


def _write(
    file: IO[bytes],
    paths: Sequence[str],
    kinds: Mapping[str, _Kind],
    files: Sequence[PackedFile],
) -> None:
    checksums = {}
    with zipfile.ZipFile(file, "w") as archive:
        for name, kind in kinds.items():
            frames = (open_arrays(path)[name] for path in paths)
            checksums[name] = _write_array(archive, file, name, kind, frames)
        rows = {name: kind.rows for name, kind in kinds.items() if kind.rows is not None}
        text = np.frombuffer(Manifest(tuple(files), rows, checksums).to_json(), np.uint8)
        _write_array(archive, file, MANIFEST, _Kind(text.dtype, text.shape, None), [text])


def _write_array(
    archive: zipfile.ZipFile,
    file: IO[bytes],
    name: str,
    kind: _Kind,
    frames: Iterator[np.ndarray] | list[np.ndarray],
) -> int:
    """Write an array frame by frame, so that no more than one is in memory; returns its CRC-32."""
    info = zipfile.ZipInfo(f"{name}.npy", _TIME)
    with archive.open(info, "w", force_zip64=True) as member:
        member.write(_head(kind, file.tell()))
        for frame in frames:
            member.write(frame.tobytes())
    return info.CRC


def _head(kind: _Kind, position: int) -> bytes:
    """The head of an .npy file, as long as it takes for the array behind it to be aligned."""
    descr = np.lib.format.dtype_to_descr(kind.dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {kind.shape!r}, }}".encode()
    preamble = len(b"\x93NUMPY\1\0") + 2
    text += b" " * (-(position + preamble + len(text) + 1) % ALIGNMENT) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


def _compare(packed: str, paths: Sequence[str]) -> None:
    """Read a packed file, and compare each frame with its own file, bit for bit."""
    clip = PackedClip(StoredArrays(packed))
    for place, path in enumerate(paths):
        arrays, frame = open_arrays(path), clip.at(place)
        for name in arrays.names():
            ours, theirs = frame[name], arrays[name]
            is_same = (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            if not is_same or ours.tobytes() != theirs.tobytes():
                raise StorageError(f"{path}: '{name}' changed while it was packed; run again")
