"""Predicted meshes on disk, ours or somebody else's, brought into the window's coordinates."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from im2mesh.data.fields import window_frame
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.meshing.io import Mesh, numbered_meshes, read_mesh
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.window_folder import WindowFolder

COORDINATES = ("window", "world")


@dataclass(frozen=True)
class PredictedMeshes:
    """Where predictions lie: ours, or numbered meshes made by somebody else.

    Read for each window, whichever is found first below <folder>/<category>/<clip>/<start:05d>/:
    sequence.npz; meshes/00000.ply ... ; 00000.ply ... (or .off, .obj, .glb). Meshes of different
    frames may differ in topology. Files without faces are taken as samples of the surface.

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
            "folder given with --meshes (<category>/<clip>/<start>/<number>.ply)"
        )

    def read(self, root: Path | str, window: Window) -> MeshSequence | list[Mesh]:
        """The meshes of a window in the window's coordinates, one per frame, each read once.

        From a sequence.npz with more frames than the window those at the window's times are taken.

        Args:
            root: Data folder, which knows the window's place in the world.

        Raises:
            UserError: If the number of frames is not that of the window.
        """
        path = self.find(window)
        if path.is_file():
            prediction = _at_frame_times(window, MeshSequence.load(path))
        else:
            files = numbered_meshes(path)
            check_length(window, len(files))
            prediction = [read_mesh(file) for file in files]
        if self.coordinates == "window":
            return prediction
        frame = window_frame(root, window)

        def to_window(vertices: np.ndarray) -> np.ndarray:
            return frame.from_world(vertices.astype(np.float64)).astype(np.float32)

        if isinstance(prediction, MeshSequence):
            return replace(prediction, vertices=to_window(prediction.vertices))
        return [replace(mesh, vertices=to_window(mesh.vertices)) for mesh in prediction]


def check_length(window: Window, num_meshes: int) -> None:
    """Refuse a prediction that lacks frames."""
    if num_meshes != window.num_frames:
        raise UserError(
            f"sequence {window}: {num_meshes} meshes, expected {window.num_frames}; "
            "run generate.py again"
        )


def _at_frame_times(window: Window, sequence: MeshSequence) -> MeshSequence:
    """The frames of a sequence that lie at t = k / (T - 1)."""
    if sequence.num_frames == window.num_frames:
        return sequence
    wanted = np.linspace(0.0, 1.0, window.num_frames)
    offset = np.abs(sequence.times[:, None] - wanted)  # [frames of the sequence, T]
    if offset.min(axis=0).max() > 1e-6:
        raise UserError(
            f"sequence {window}: {sequence.num_frames} meshes at other times than the "
            f"{window.num_frames} true frames; set generation.num_steps to null and run "
            "generate.py again"
        )
    chosen = offset.argmin(axis=0)
    return replace(
        sequence,
        vertices=sequence.vertices[chosen],
        times=sequence.times[chosen],
        normals=None if sequence.normals is None else sequence.normals[chosen],
    )
