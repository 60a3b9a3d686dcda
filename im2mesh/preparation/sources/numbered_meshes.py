"""Folders of numbered meshes, of any format that is read: one folder per clip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.files.numbered import (
    READ_ENDINGS,
    NumberedFilesError,
    find_numbered,
    refuse_holes,
)
from im2mesh.meshing.io import read_mesh
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader, SourceOptions
from im2mesh.preparation.sources.folders import clip_name, folders_with


@dataclass(frozen=True)
class NumberedMeshes(ClipSource):
    """A folder in which each frame is a mesh. Frames may differ in their topology."""

    folder: Path
    clip: str
    files: dict[int, str]

    @property
    def name(self) -> str:
        return self.clip

    @property
    def numbers(self) -> Sequence[int]:
        return tuple(self.files)

    @property
    def promises_correspondence(self) -> bool:
        return False

    def where(self, index: int) -> str:
        return str(self._path(index))

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        yield lambda index: read_mesh(self._path(index))

    def _path(self, index: int) -> Path:
        return self.folder / self.files[self.numbers[index]]


def find_numbered_meshes(source: Path, options: SourceOptions) -> list[ClipSource]:
    """A clip for the folder and each folder below it that holds numbered meshes.

    Raises:
        UserError: If it is not plain which file is which frame, or a frame is missing in between.
    """
    return [
        NumberedMeshes(folder, clip_name(source, folder), frames_of(folder, READ_ENDINGS))
        for folder in folders_with(source, READ_ENDINGS)
    ]


def frames_of(folder: Path, endings: Sequence[str]) -> dict[int, str]:
    """Number -> file name of the frames in a folder."""
    try:
        files = find_numbered(folder, endings)
        refuse_holes(folder, files, "copy the missing files, or cut the clip into two folders")
    except NumberedFilesError as error:
        raise UserError(str(error)) from error
    return files.names
