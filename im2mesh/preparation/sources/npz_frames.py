"""One npz file of vertices per frame, as in CAPE (Ma et al., CVPR 2020): one folder per clip.

The utilities of CAPE (github.com/qianlim/cape_utils, dataset_utils.py) say what its arrays are:
`v_posed` is the clothed body, posed and translated, so that `transl`, which holds the translation,
is not to be added again; `v_cano` is the same body in a canonical pose, in which nothing moves.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.files.npz import NpzError, locate_arrays, read_arrays
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader, SourceOptions
from im2mesh.preparation.sources.folders import clip_name, folders_with
from im2mesh.preparation.sources.numbered_meshes import frames_of

_ENDINGS = ("npz",)
_VERTICES = ("v_posed", "vertices")
_CANONICAL = "v_cano"
_FACES = ("faces", "f")
"""Names of arrays; the first that a file has counts."""


@dataclass(frozen=True)
class NpzFrames(ClipSource):
    """A folder in which each frame is an npz file. Its triangles may lie in another file."""

    folder: Path
    clip: str
    files: dict[int, str]
    faces: Path | None

    @property
    def name(self) -> str:
        return self.clip

    @property
    def numbers(self) -> Sequence[int]:
        return tuple(self.files)

    def where(self, index: int) -> str:
        return str(self._path(index))

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        shared = None if self.faces is None else read_faces(self.faces)

        def read(index: int) -> Mesh:
            path = self._path(index)
            arrays = _arrays(path)
            vertices = _first(arrays, _VERTICES)
            if vertices is None and _CANONICAL in locate_arrays(path):
                raise UserError(
                    f"{path} has {_CANONICAL}, the body in a canonical pose, without v_posed; to "
                    "pose it takes the SMPL body model, whose licence this program does not have: "
                    "download the frames with v_posed, or pose them and write numbered meshes"
                )
            if vertices is None:
                raise UserError(
                    f"{path} has none of the arrays {', '.join(_VERTICES)}; it holds: "
                    f"{', '.join(locate_arrays(path)) or 'nothing'}"
                )
            faces = _first(arrays, _FACES) if shared is None else shared
            if faces is None:
                raise UserError(
                    f"{path} has vertices and no faces; give the file with the triangles of the "
                    "body as --faces, such as a mesh of its template"
                )
            return Mesh(valid_positions(vertices), valid_faces(faces, len(vertices)))

        yield read

    def _path(self, index: int) -> Path:
        return self.folder / self.files[self.numbers[index]]


def find_npz_frames(source: Path, options: SourceOptions) -> list[ClipSource]:
    """A clip for the folder and each folder below it that holds numbered npz files.

    Raises:
        UserError: If it is not plain which file is which frame, or a frame is missing in between.
    """
    return [
        NpzFrames(folder, clip_name(source, folder), frames_of(folder, _ENDINGS), options.faces)
        for folder in folders_with(source, _ENDINGS)
    ]


def holds_npz_frames(source: Path) -> bool:
    """Whether the first numbered npz file of a folder holds vertices."""
    folders = folders_with(source, _ENDINGS) if source.is_dir() else []
    if not folders:
        return False
    files = frames_of(folders[0], _ENDINGS)
    try:
        found = locate_arrays(folders[0] / next(iter(files.values())))
    except NpzError:
        return True  # reading it will say what is wrong
    return any(name in found for name in (*_VERTICES, _CANONICAL))


def read_faces(path: Path) -> Int32[np.ndarray, "F 3"]:
    """The triangles of a mesh, of an npz file with an array of that name, or of an npy file.

    Raises:
        UserError: If they cannot be read from that file.
    """
    if path.suffix.lower() not in (".npz", ".npy"):
        return read_mesh(path).faces
    if not path.is_file():
        raise UserError(f"no file of faces at {path}; give a mesh, an npz or an npy file")
    try:
        if path.suffix.lower() == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            found = _first(_arrays(path), _FACES)
        if found is None:
            raise ValueError(f"it has none of the arrays {', '.join(_FACES)}")
        return valid_faces(found, int(found.max()) + 1)
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, UserError) or is_refused_by_system(error):
            raise
        raise UserError(f"{path}: not readable faces: {error}; give another file") from error


def _first(arrays: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of numbers of a file; texts, which such files hold, too, do not count."""
    try:
        return read_arrays(path, (*_VERTICES, *_FACES))
    except NpzError as error:
        raise UserError(f"{path} is not an intact npz file ({error}); copy it again") from error
