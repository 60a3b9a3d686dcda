"""Predicted meshes on disk, ours or somebody else's, brought into the window's coordinates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_text
from im2mesh.files.numbered import find_numbered, listed
from im2mesh.meshing.frame_meshes import Reconstruction, load_reconstruction
from im2mesh.meshing.io import READ_ENDINGS, files_of_mesh, numbered_meshes, read_mesh
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
            "generate.py first, or check the folder given with --meshes "
            f"(<category>/<clip>/{window.name}/<number>.ply)"
        )

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
        window = stored.window
        path = self.find(window)
        if path.is_file():
            meshes = load_reconstruction(path)
            in_world = self.coordinates == "world"  # a file of ours may have an origin of its own
            prediction = prediction_of(window, meshes.in_world() if in_world else meshes)
        else:
            files = numbered_meshes(path)
            if len(files) != window.num_frames:
                raise UserError(
                    f"sequence {window}: {len(files)} meshes, expected {window.num_frames}"
                    f"{_what_else(path)}; run generate.py again"
                )
            meshes = [read_mesh(file) for file in files]
            prediction = Prediction(dict(enumerate(meshes)), share_topology(meshes))
        if self.coordinates == "window":
            return _faced_outwards(window, prediction)
        frame = stored.frame

        def to_window(vertices: np.ndarray) -> np.ndarray:
            return frame.from_world(vertices.astype(np.float64)).astype(np.float32)

        moved = {
            k: replace(mesh, vertices=to_window(mesh.vertices))
            for k, mesh in prediction.meshes.items()
        }
        return _faced_outwards(window, replace(prediction, meshes=moved))


def _faced_outwards(window: Window, prediction: Prediction) -> Prediction:
    """The meshes with faces that look outwards; one warning names the first that had others."""
    turned = {k: face_outwards(mesh) for k, mesh in prediction.meshes.items()}
    wrong = [(k, found) for k, (_, found) in turned.items() if found is not None]
    if wrong:
        frame = f"frame {wrong[0][0]}" + (f" and {len(wrong) - 1} more" if wrong[1:] else "")
        tell_turned(f"sequence {window}, {frame}: the predicted mesh", wrong[0][1])
    return replace(prediction, meshes={k: mesh for k, (mesh, _) in turned.items()})


def _what_is_there(folder: Path) -> str:
    """What a folder without meshes holds, or the nearest folder above it that exists."""
    if folder.is_dir():
        return f", which holds {listed(_visible(folder))}"
    there = next((parent for parent in folder.parents if parent.is_dir()), folder)
    return f" (there is no such folder; {there} holds {listed(_visible(there))})"


def _what_else(folder: Path) -> str:
    others = find_numbered(folder, READ_ENDINGS).others
    return f" ({folder} also holds {listed(others)})" if others else ""


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
    """Whether all frames share their faces and their number of vertices.

    So do the meshes of a prediction that is empty in all frames: leaving it out would flatter.
    """
    first = meshes[0]
    return all(
        len(mesh.vertices) == len(first.vertices) and np.array_equal(mesh.faces, first.faces)
        for mesh in meshes
    )
