"""Registrations of D-FAUST: HDF5 files with an array [V, 3, frames] per clip, and shared faces.

Dynamic FAUST (Bogo et al., CVPR 2017) comes as registrations_m.hdf5 and registrations_f.hdf5.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader, SourceOptions

ENDINGS = (".hdf5", ".h5")
FPS = 60.0
_FACES = "faces"


@dataclass(frozen=True)
class Registrations(ClipSource):
    """One array of an HDF5 file."""

    path: Path
    key: str
    count: int

    @property
    def name(self) -> str:
        return self.key

    @property
    def numbers(self) -> Sequence[int]:
        return range(self.count)

    def where(self, index: int) -> str:
        return f"{self.path}, clip {self.key}, frame {index}"

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        """Read the whole clip at once: a frame is spread over all of its array."""
        with _hdf5(self.path) as file:
            try:
                stored = np.asarray(file[self.key]).transpose(2, 0, 1)  # [frames, V, 3]
                faces = valid_faces(np.asarray(file[_FACES]), stored.shape[1])
            except Exception as error:  # h5py fails in many ways on damaged files
                raise _broken(self.path, error) from error
        yield lambda index: Mesh(valid_positions(stored[index]), faces)


def find_registrations(source: Path, options: SourceOptions) -> list[ClipSource]:
    """The clips of an HDF5 file, or of all such files of a folder.

    Raises:
        UserError: If h5py is missing, a file is broken, or an array has another shape.
    """
    return [clip for path in hdf5_files(source) for clip in _clips(path)]


def hdf5_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() in ENDINGS else []
    visible = (path for path in source.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.suffix.lower() in ENDINGS)


def _clips(path: Path) -> list[ClipSource]:
    with _hdf5(path) as file:
        try:
            shapes = {key: getattr(file[key], "shape", None) for key in file}
        except Exception as error:
            raise _broken(path, error) from error
    if _FACES not in shapes:
        raise UserError(f"{path} has no array '{_FACES}'; D-FAUST registrations have one for all")
    found: list[ClipSource] = []
    for key, shape in shapes.items():
        if key == _FACES:
            continue
        if shape is None or len(shape) != 3 or shape[1] != 3 or shape[2] == 0:
            raise UserError(
                f"{path}: '{key}' must be an array [vertices, 3, frames], got "
                f"{'a group' if shape is None else list(shape)}; remove it, or prepare its meshes "
                "as numbered files"
            )
        found.append(Registrations(path, key, int(shape[2])))
    return found


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    try:
        import h5py  # an extra: only this source needs it
    except ImportError as error:
        raise UserError(f"reading {path} needs h5py, run: pip install -e '.[hdf5]'") from error
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        if is_refused_by_system(error):
            raise
        raise _broken(path, error) from error
    with file:
        yield file


def _broken(path: Path, error: Exception) -> UserError:
    reason = str(error) or type(error).__name__
    return UserError(f"{path}: not a readable HDF5 file: {reason}; download or copy it again")
