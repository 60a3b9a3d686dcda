"""The manifest of a packed file: which files it was made of, and which rows are whose."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from im2mesh.data.storage import Remembered, StorageError, StoredArrays

FORMAT = "im2mesh packed clip 1"
MANIFEST = "manifest"
"""Name of the array that holds the manifest, JSON as UTF-8."""
WAY_OUT = "pack the clip again with scripts/pack_dataset.py"


class PackedFile(NamedTuple):
    """A file that was packed.

    Attributes:
        number: Number of its frame, which its name gives.
        checksums: Name of each member, such as points.npy -> its CRC-32, as the file told it.
    """

    number: int
    name: str
    size: int
    checksums: dict[str, int]


@dataclass(frozen=True)
class Manifest:
    """What a packed file says of itself.

    Attributes:
        files: The files that were packed, by number.
        rows: Name of an array -> its number of rows in each frame, if frames differ in it.
        checksums: Name of an array -> its CRC-32, so that no array is replaced without a word.
    """

    files: tuple[PackedFile, ...]
    rows: Mapping[str, Sequence[int]]
    checksums: Mapping[str, int]

    def to_json(self) -> bytes:
        """The manifest as it stands in the file."""
        members = list(self.files[0].checksums)
        content = {
            "format": FORMAT,
            "frames": [file.number for file in self.files],
            "names": [file.name for file in self.files],
            "sizes": [file.size for file in self.files],
            "members": {
                member: [file.checksums[member] for file in self.files] for member in members
            },
            "rows": {name: list(counts) for name, counts in self.rows.items()},
            "checksums": dict(self.checksums),
        }
        return json.dumps(content, separators=(",", ":")).encode()


def read_manifest(arrays: StoredArrays) -> Manifest:
    """The whole manifest of a packed file.

    Raises:
        StorageError: If it is missing or damaged, or does not fit the arrays of its file.
    """
    try:
        manifest = _parse(arrays)
        _check(manifest, arrays)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, StorageError):
            raise
        told = f"it has no {error}" if isinstance(error, KeyError) else error
        raise StorageError(
            f"{arrays.path}: its manifest does not fit ({told}); {WAY_OUT}"
        ) from error
    return manifest


class FrameTable(NamedTuple):
    """What reading needs of a manifest.

    Attributes:
        places: Number of a frame -> its place among the frames of the file.
        starts: Name of an array whose frames differ in their number of rows -> the first row of
            each frame, and the number of all rows.
    """

    places: dict[int, int]
    names: tuple[str, ...]
    starts: dict[str, tuple[int, ...]]


def read_table(arrays: StoredArrays) -> FrameTable:
    """Where the frames of a packed file lie in it; remembered, since each sample asks.

    Raises:
        StorageError: As `read_manifest`.
    """
    return _TABLES.get(arrays.version, lambda: _make_table(read_manifest(arrays)))


_TABLES: Remembered[FrameTable] = Remembered(1 << 13)


def _make_table(manifest: Manifest) -> FrameTable:
    return FrameTable(
        {file.number: place for place, file in enumerate(manifest.files)},
        tuple(file.name for file in manifest.files),
        {name: tuple(accumulate(rows, initial=0)) for name, rows in manifest.rows.items()},
    )


def _parse(arrays: StoredArrays) -> Manifest:
    """The manifest as it is written; most of what is wrong with it is a plain error of Python."""
    if MANIFEST not in arrays:
        raise StorageError(
            f"{arrays.path} has no array '{MANIFEST}', so it is no packed clip of this program; "
            f"move it away, or {WAY_OUT}"
        )
    content: Any = json.loads(_manifest_text(arrays))
    if content["format"] != FORMAT:
        raise StorageError(
            f"{arrays.path} is a packed clip of another form, {str(content['format'])[:40]!r}; "
            f"expected {FORMAT!r}; {WAY_OUT}, or use the version of this program that wrote it"
        )
    members = {member: _integers(sums) for member, sums in content["members"].items()}
    numbers, sizes = _integers(content["frames"]), _integers(content["sizes"])
    sums = [dict(zip(members, row, strict=True)) for row in zip(*members.values(), strict=True)]
    files = zip(numbers, map(_file_name, content["names"]), sizes, sums, strict=True)
    return Manifest(
        tuple(PackedFile(*file) for file in files),
        {name: _integers(rows) for name, rows in content["rows"].items()},
        dict(zip(content["checksums"], _integers(content["checksums"].values()), strict=True)),
    )


def _manifest_text(arrays: StoredArrays) -> bytes:
    """The content of the manifest. Nothing else would notice a change in it."""
    text = arrays[MANIFEST]
    if text.dtype != np.uint8 or text.ndim != 1:
        raise ValueError(f"it is {text.dtype} {list(text.shape)}, expected bytes")
    if not arrays.is_intact(MANIFEST):
        raise ValueError("its checksum is wrong")
    return text.tobytes()


def _check(manifest: Manifest, arrays: StoredArrays) -> None:
    """Refuse a manifest that does not fit the arrays of its file."""
    numbers = [file.number for file in manifest.files]
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 0:
        raise ValueError("its frames are not numbers that rise")
    found = {name for name in arrays.names() if name != MANIFEST}
    if found != manifest.checksums.keys():
        raise ValueError(
            f"it lists {sorted(manifest.checksums)}, the file has {sorted(found) or 'nothing'}"
        )
    for name in sorted(found):
        location, rows = arrays.location(name), manifest.rows.get(name)
        if location.checksum != manifest.checksums[name]:
            raise ValueError(f"'{name}' was changed after it was packed")
        counted = len(numbers) if rows is None else sum(rows)
        is_per_frame = rows is None or (len(rows) == len(numbers) and min(rows) >= 0)
        if not (is_per_frame and location.shape[:1] == (counted,)):
            raise ValueError(
                f"'{name}' has the shape {list(location.shape)}, which does not fit its "
                f"{len(numbers)} frames"
            )


def _integers(values: Any) -> list[int]:
    found = list(values)
    if not all(type(value) is int for value in found):
        raise ValueError("it holds other things than whole numbers")
    return found


def _file_name(name: Any) -> str:
    if not isinstance(name, str) or not name.isprintable() or re.search(r"[/\\]", name):
        raise ValueError(f"{str(name)[:40]!r} is not the name of a file")
    return name
