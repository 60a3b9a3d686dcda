"""Predicted meshes on disk, ours or somebody else's, brought into the window's coordinates."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import Advice, UserError
from im2mesh.files.hashes import hash_text
from im2mesh.files.numbered import (
    READ_ENDINGS,
    NumberedFiles,
    NumberedFilesError,
    find_numbered,
    listed,
    refuse_holes,
)
from im2mesh.files.written import NOTE
from im2mesh.meshing.frame_meshes import Reconstruction, load_reconstruction
from im2mesh.meshing.io import files_of_mesh, numbered_meshes, read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.orientation import face_outwards, tell_turned
from im2mesh.runs.folder import WindowFolder

COORDINATES = ("window", "world")


@dataclass(frozen=True)
class Prediction:
    """The meshes predicted for one window.

    Attributes:
        meshes: Frame number within the window -> mesh or point cloud, in increasing order.
        corresponds: Whether vertex i is the same surface point in all frames.
    """

    meshes: dict[int, Mesh]
    corresponds: bool


@dataclass(frozen=True)
class PredictedMeshes:
    """A folder of predictions: our own, or numbered meshes made by another program.

    Each window has a folder <folder>/<category>/<clip>/<window>/. It holds one of these, looked for
    in this order: sequence.npz; meshes/00000.ply ... ; 00000.ply ... (or another format that
    `read_mesh` reads; the number may stand anywhere in the name, as in inputs_0_deformed.ply). The
    name of a window is its first frame, 00015, with data.frame_step where that is not 1:
    00015_step2. Meshes of different frames may differ in topology. The points of files without
    faces count as samples of the surface.

    Attributes:
        folder: Folder of the categories; for our own output <output_dir>/generation/<split>.
        coordinates: Coordinates of the positions in the files: "window" (frame of the window's
            first mesh) or "world" (metres).
    """

    folder: Path
    coordinates: str = "window"

    def __post_init__(self) -> None:
        if self.coordinates not in COORDINATES:
            raise UserError(
                f"coordinates is {self.coordinates!r}; choose one of: {', '.join(COORDINATES)}"
            )

    def find(self, window: Window) -> Path:
        """The sequence.npz or the folder of meshes of a window.

        Raises:
            UserError: If there is neither.
        """
        folder = WindowFolder.of(self.folder, window)
        for path in (folder.sequence, folder.meshes, folder.path):
            if path.is_file() or (path.is_dir() and numbered_meshes(path)):
                return path
        raise UserError(
            f"sequence {window}: no meshes in {folder.path}{_what_is_there(folder.path)}; run "
            "generate.py first, name the clips to evaluate with --clips, or check the folder given "
            f"with --meshes (<category>/<clip>/{window.name}/<number>.ply)"
        )

    def refuse_missing(self, window: Window) -> None:
        """Refuse numbered meshes that are not one per frame, without reading them.

        Raises:
            UserError: If so, or if there are none at all.
        """
        path = self.find(window)
        if path.is_dir():
            _files_of(path, window)

    def state(self, window: Window) -> list[tuple[str, int, int]]:
        """Name, size and time of change of each file of a window; other meshes have others."""
        found = self.find(window)
        meshes = [found] if found.is_file() else numbered_meshes(found)
        files = [path for mesh in meshes for path in files_of_mesh(mesh) if path.is_file()]
        stats = [(path.name, path.stat()) for path in files]
        return [(name, status.st_size, status.st_mtime_ns) for name, status in stats]

    def hash(self, windows: Iterable[Window]) -> str:
        """A hash of the coordinates and of the `state` of the windows' files."""
        states = ("".join(map(str, self.state(window))) for window in windows)
        return hash_text(self.coordinates, *states)

    def read(self, stored: StoredWindow) -> Prediction:
        """Read the meshes of a window, in the window's coordinates.

        A sequence.npz stores its times, so it may have more frames than the window, or only some of
        them (shape matching predicts the last alone). Numbered meshes must be one per frame.

        Faces that look inwards are turned, with a warning.

        Args:
            stored: The window, with the data that tell its place in the world.

        Raises:
            UserError: If the frames are not those of the window.
        """
        path = self.find(stored.window)
        if path.is_file():
            prediction = self._from_sequence(path, stored.window)
            return replace(prediction, meshes=self._in_window(prediction.meshes, stored))
        meshes = self._in_window(_from_files(path, stored.window), stored)
        return Prediction(meshes, self._share_topology_or_tell(meshes))

    def _from_sequence(self, path: Path, window: Window) -> Prediction:
        meshes = load_reconstruction(path)
        in_world = self.coordinates == "world"  # a file of ours may have an origin of its own
        return prediction_of(window, meshes.in_world() if in_world else meshes)

    def _in_window(self, meshes: dict[int, Mesh], stored: StoredWindow) -> dict[int, Mesh]:
        """The meshes in the window's coordinates, with faces that look outwards."""
        if self.coordinates == "window":
            return _faced_outwards(meshes, stored.window)
        frame = stored.frame

        def to_window(vertices: np.ndarray) -> np.ndarray:
            return frame.from_world(vertices.astype(np.float64)).astype(np.float32)

        moved = {k: replace(mesh, vertices=to_window(mesh.vertices)) for k, mesh in meshes.items()}
        return _faced_outwards(moved, stored.window)

    def _share_topology_or_tell(self, meshes: dict[int, Mesh]) -> bool:
        is_shared = share_topology(list(meshes.values()))
        if not is_shared:
            warnings.warn(  # without the window, so that many of them are told once
                f"{self.folder}: numbered meshes of a window differ in their faces or number of "
                "vertices, so no correspondence is measured there",
                Advice,
                stacklevel=3,
            )
        return is_shared


def _from_files(path: Path, window: Window) -> dict[int, Mesh]:
    """The numbered meshes of a folder, one per frame."""
    return {k: read_mesh(file) for k, file in enumerate(_files_of(path, window))}


def _files_of(path: Path, window: Window) -> list[Path]:
    try:
        files = find_numbered(path, READ_ENDINGS)
        refuse_holes(path, files, _way_out(path, "copy or make the missing files"))
    except NumberedFilesError as error:
        raise UserError(f"sequence {window}: {error}") from error
    if len(files.names) != window.num_frames:
        raise UserError(
            f"sequence {window}: {len(files.names)} meshes in {path}, expected "
            f"{window.num_frames}{_how_many(path, files, window.num_frames)}"
        )
    return [path / name for name in files.names.values()]


def _how_many(path: Path, files: NumberedFiles, wanted: int) -> str:
    """What is missing, what else is there, and the way out."""
    others = f" and {listed(files.others)}, which were not understood" if files.others else ""
    numbers = list(files.names)
    if len(numbers) > wanted:
        return f"{others}; {_way_out(path, 'move the others away')}"
    between = set(range(numbers[0], numbers[-1])) - {*numbers}
    step = numbers[1] - numbers[0] if numbers[1:] else 1
    ends = {number for number in (numbers[0] - step, numbers[-1] + step) if number >= 0}
    absent = between if len(numbers) + len(between) == wanted else ends
    missing = f" (no frame {' or '.join(map(str, sorted(absent)))})"
    return f"{missing}{others}; {_way_out(path, 'copy or make the missing files')}"


def _way_out(path: Path, of_others: str) -> str:
    return "run generate.py again" if (path / NOTE).is_file() else of_others


def _faced_outwards(meshes: dict[int, Mesh], window: Window) -> dict[int, Mesh]:
    """The meshes with faces that look outwards; one warning names the first that had others.

    Meshes with the same faces are judged by the first: a small part that its motion has turned
    inside out later is an error of the motion, and its faces must stay those of the other frames.
    """
    if len(meshes) > 1 and share_topology(list(meshes.values())):
        first = min(meshes)
        mesh, found = face_outwards(meshes[first])
        turned = {k: (replace(other, faces=mesh.faces), found) for k, other in meshes.items()}
    else:
        turned = {k: face_outwards(mesh) for k, mesh in meshes.items()}
    wrong = [(k, found) for k, (_, found) in turned.items() if found is not None]
    if wrong:
        frame = f"frame {wrong[0][0]}" + (f" and {len(wrong) - 1} more" if wrong[1:] else "")
        tell_turned(f"sequence {window}, {frame}: the predicted mesh", wrong[0][1])
    return {k: mesh for k, (mesh, _) in turned.items()}


def _what_is_there(folder: Path) -> str:
    """What a folder without meshes holds, or the nearest folder above it that exists."""
    if folder.is_dir():
        return f", which holds {listed(_visible(folder))}"
    there = next((parent for parent in folder.parents if parent.is_dir()), folder)
    return f" (there is no such folder; {there} holds {listed(_visible(there))})"


def _visible(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def prediction_of(window: Window, meshes: Reconstruction) -> Prediction:
    """Choose the meshes at the times t = k / (T - 1) of the window's frames.

    Raises:
        UserError: If the meshes lack some of these times and lie at other times, too.
    """
    wanted = np.linspace(0.0, 1.0, window.num_frames)
    is_same = np.abs(meshes.times[:, None] - wanted) < 1e-6  # [frames of the prediction, T]
    if not (is_same.any(0).all() or is_same.any(1).all()):
        raise UserError(
            f"sequence {window}: {meshes.num_frames} meshes at other times than the "
            f"{window.num_frames} true frames; set generation.num_steps and generation.times to "
            "null and run generate.py again"
        )
    by_frame = {
        int(is_same[i].argmax()): mesh for i, mesh in enumerate(meshes.meshes) if is_same[i].any()
    }
    return Prediction(by_frame, isinstance(meshes, MeshSequence))


def share_topology(meshes: Sequence[Mesh]) -> bool:
    """Whether all frames share their faces, from whichever corner each is named, and their number
    of vertices.

    So do the meshes of a prediction that is empty in all frames: leaving it out would flatter.
    """
    first, others = meshes[0], [mesh for mesh in meshes if mesh.faces is not meshes[0].faces]
    faces = _from_least_corner(first.faces) if others else first.faces
    return all(len(mesh.vertices) == len(first.vertices) for mesh in meshes) and all(
        np.array_equal(_from_least_corner(mesh.faces), faces) for mesh in others
    )


def _from_least_corner(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "F 3"]:
    """The same triangles, each named from its least corner."""
    start = faces.argmin(axis=1)[:, None] if len(faces) else np.zeros((0, 1), np.int64)
    return np.take_along_axis(faces, (start + np.arange(3)) % 3, axis=1)
