"""Predicted meshes on disk, ours or somebody else's, brought into the window's coordinates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from im2mesh.data.fields import window_frame
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.meshing.frame_meshes import Reconstruction, load_reconstruction
from im2mesh.meshing.io import Mesh, numbered_meshes, read_mesh
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.provenance import hash_text
from im2mesh.window_folder import WindowFolder

COORDINATES = ("window", "world")


@dataclass(frozen=True)
class Prediction:
    """What was predicted of one window.

    Attributes:
        meshes: Number of a frame in its window -> mesh, or point cloud; increasing.
        corresponds: Whether vertex i is the same surface point in all frames.
    """

    meshes: dict[int, Mesh]
    corresponds: bool


@dataclass(frozen=True)
class PredictedMeshes:
    """Where predictions lie: ours, or numbered meshes made by somebody else.

    Read for each window, whichever is found first below <folder>/<category>/<clip>/<window>/:
    sequence.npz; meshes/00000.ply ... ; 00000.ply ... (or .off, .obj, .glb). The window is named by
    its first frame, 00015, and where data.frame_step is not 1 by that, too: 00015_step2. Meshes of
    different frames may differ in topology. Files without faces are taken as samples of the
    surface.

    Attributes:
        folder: For our own output <output_dir>/generation/<split>.
        coordinates: Of the positions in the files: "window" (frame of the window's first mesh) or
            "world" (metres).
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
            f"sequence {window}: no meshes in {folder.path}; run generate.py first, or check the "
            f"folder given with --meshes (<category>/<clip>/{window.name}/<number>.ply)"
        )

    def state(self, window: Window) -> list[tuple[str, int, int]]:
        """Names, sizes and times of change of a window's files: other meshes, another state."""
        found = self.find(window)
        files = [found] if found.is_file() else numbered_meshes(found)
        stats = [(path.name, path.stat()) for path in files]
        return [(name, status.st_size, status.st_mtime_ns) for name, status in stats]

    def hash(self, windows: Iterable[Window]) -> str:
        """Identifies the files of windows, as they lie there, and what their coordinates mean."""
        states = ("".join(map(str, self.state(window))) for window in windows)
        return hash_text(self.coordinates, *states)

    def read(self, root: Path | str, window: Window) -> Prediction:
        """The meshes of a window in the window's coordinates.

        A sequence.npz tells its times: it may have more frames than the window, or only some of
        them (shape matching predicts the last alone). Numbered meshes are one per frame.

        Args:
            root: Data folder, which knows the window's place in the world.

        Raises:
            UserError: If the frames are not those of the window.
        """
        path = self.find(window)
        if path.is_file():
            prediction = prediction_of(window, load_reconstruction(path))
        else:
            files = numbered_meshes(path)
            if len(files) != window.num_frames:
                raise UserError(
                    f"sequence {window}: {len(files)} meshes, expected {window.num_frames}; "
                    "run generate.py again"
                )
            meshes = [read_mesh(file) for file in files]
            prediction = Prediction(dict(enumerate(meshes)), share_topology(meshes))
        if self.coordinates == "window":
            return prediction
        frame = window_frame(root, window)

        def to_window(vertices: np.ndarray) -> np.ndarray:
            return frame.from_world(vertices.astype(np.float64)).astype(np.float32)

        moved = {
            k: replace(mesh, vertices=to_window(mesh.vertices))
            for k, mesh in prediction.meshes.items()
        }
        return replace(prediction, meshes=moved)


def prediction_of(window: Window, meshes: Reconstruction) -> Prediction:
    """The meshes that lie at the window's times t = k / (T - 1).

    Raises:
        UserError: If meshes are neither at all of these times nor at some of them only.
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

    A prediction without a surface in any frame counts: leaving it out would flatter.
    """
    first = meshes[0]
    return all(
        len(mesh.vertices) == len(first.vertices) and np.array_equal(mesh.faces, first.faces)
        for mesh in meshes
    )
