"""Synthetic bodies of a data set, made once more: whole surfaces, and where the limbs end."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from im2mesh.data.clip_notes import find_note
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.limbs import limb_points
from im2mesh.synthesis.shape_space import find_body
from im2mesh.synthesis.splits import Clip


@dataclass(frozen=True)
class TrueBody:
    """A synthetic body in a window, in the frame of the window's first mesh.

    Attributes:
        vertices: Positions in every frame.
        faces: Triangles of the closed skin.
        limbs: Vertices around both ends of the limbs; see `limb_points`.
    """

    vertices: Float[np.ndarray, "T V 3"]
    faces: Int[np.ndarray, "F 3"]
    limbs: Int[np.ndarray, "L 2 K"]

    @property
    def moving(self) -> MeshSequence:
        """The body over the window, from t = 0 to t = 1."""
        return MeshSequence(self.faces, self.vertices, np.linspace(0, 1, len(self.vertices)))

    @property
    def meshes(self) -> list[Mesh]:
        """One mesh per frame."""
        return [Mesh(vertices, self.faces) for vertices in self.vertices]


def read_true_body(root: Path | str, window: Window, num_frames: int | None = None) -> TrueBody:
    """Make the body of a window again, as scripts/make_bodies.py did.

    Args:
        num_frames: Number of frames, from the window's first one on; None for all.

    Raises:
        UserError: If the clip is not one of that script.
    """
    stored = StoredWindow(root, window)
    try:
        clip, seed = Clip.named(window.clip), _seed_of(stored.clip_folder)
        body, frames = find_body(clip.body), _frames(window, num_frames)
        moving = animate(clip, int(frames[-1]) + 1, seed)[frames]
    except (ValueError, KeyError, TypeError, UserError) as error:
        raise UserError(
            f"clip {window.clip}: its truth can only be made for bodies of scripts/make_bodies.py "
            f"({error}); name such a data set by data.root"
        ) from error
    return TrueBody(stored.frame.from_world(moving), body.faces, limb_points(body))


def _frames(window: Window, num_frames: int | None) -> Int[np.ndarray, "T"]:
    """Numbers of frames within the clip."""
    count = window.num_frames if num_frames is None else num_frames
    return window.start + window.frame_step * np.arange(count)


def _seed_of(folder: Path) -> int:
    """The seed in the note of a clip."""
    note = find_note(folder)
    if note is None:
        raise ValueError("it has no note of the script")
    return int(json.loads(note.read_text("utf-8"))["seed"])
