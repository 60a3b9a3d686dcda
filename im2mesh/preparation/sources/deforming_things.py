"""DeformingThings4D (Li et al., ICCV 2021): one .anime file per clip, of one topology.

An .anime file is little-endian: int32 numbers of frames, vertices and faces; float32 vertices of
the first frame; int32 faces; float32 offsets of the vertices of all other frames from the first.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader, SourceOptions
from im2mesh.preparation.sources.folders import files_below

ENDING = ".anime"
_HEADER = 12  # bytes


class _Counts(NamedTuple):
    frames: int
    vertices: int
    faces: int

    @property
    def size(self) -> int:
        """Bytes of a file with so many."""
        return _HEADER + 12 * (self.frames * self.vertices + self.faces)


@dataclass(frozen=True)
class Anime(ClipSource):
    """One .anime file."""

    path: Path
    count: int

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def numbers(self) -> Sequence[int]:
        return range(self.count)

    def where(self, index: int) -> str:
        return f"{self.path}, frame {index}"

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        counts = _read_counts(self.path)
        with self.path.open("rb") as file:
            file.seek(_HEADER)
            first = np.fromfile(file, "<f4", 3 * counts.vertices).reshape(-1, 3)
            triangles = np.fromfile(file, "<i4", 3 * counts.faces).reshape(-1, 3)
            start = file.tell()
        try:
            faces = valid_faces(triangles, counts.vertices)
        except ValueError as error:
            raise UserError(f"{self.path}: {error}; download or copy it again") from error

        def read(index: int) -> Mesh:
            if index == 0:
                return Mesh(valid_positions(first), faces)
            place = start + 12 * counts.vertices * (index - 1)
            offsets = np.fromfile(self.path, "<f4", 3 * counts.vertices, offset=place)
            return Mesh(valid_positions(first + offsets.reshape(-1, 3)), faces)

        yield read


def find_animes(source: Path, options: SourceOptions) -> list[ClipSource]:
    """The clips of an .anime file, or of all such files of a folder and its folders.

    Raises:
        UserError: If the numbers in a file do not fit its size.
    """
    return [Anime(path, _read_counts(path).frames) for path in anime_files(source)]


def anime_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ENDING else []
    return files_below(source, (ENDING,))


def _read_counts(path: Path) -> _Counts:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if len(header) < _HEADER:
        raise UserError(f"{path} ends early: {size} bytes; download or copy it again")
    counts = _Counts(*np.frombuffer(header, "<i4").tolist())
    if min(counts) < 1 or counts.size != size:
        raise UserError(
            f"{path}: {counts.frames} frames of {counts.vertices} vertices and {counts.faces} "
            f"faces do not fit its size: {counts.size} bytes expected, got {size}; download or "
            "copy it again"
        )
    return counts
