"""An animated .glb as its meshes at the keyframes."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.formats.gltf.animations import (
    Animation,
    animation_names,
    read_animation,
)
from im2mesh.meshing.formats.gltf.container import open_glb
from im2mesh.meshing.formats.gltf.document import Document
from im2mesh.meshing.formats.gltf.read import read_document
from im2mesh.meshing.formats.moving import MovingMeshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions


def read_moving_glb(path: Path) -> MovingMeshes:
    """Read the meshes at all keyframes of the animation of a .glb."""
    document = open_glb(path)
    animation = _animation(document)
    if animation is None:
        return MovingMeshes([_mesh(*read_document(document))], np.zeros(1))
    seconds = _keyframes(animation)
    poses = (animation.pose(float(time)) for time in seconds)
    return MovingMeshes([_mesh(*read_document(pose)) for pose in poses], seconds)


def keyframe_seconds(path: Path) -> Float[np.ndarray, "T"]:
    """The times alone of `read_moving_glb`."""
    animation = _animation(open_glb(path))
    return np.zeros(1) if animation is None else _keyframes(animation)


def _animation(document: Document) -> Animation | None:
    """The one animation of a file; None for a file that does not move."""
    names = animation_names(document)
    if len(names) > 1:
        raise ValueError(f"it has {len(names)} animations ({', '.join(names)[:100]}); export one")
    return read_animation(document, 0) if names else None


def _keyframes(animation: Animation) -> Float[np.ndarray, "T"]:
    return np.unique(np.concatenate([moved.times for moved in animation.channels.values()]))


def _mesh(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> Mesh:
    return Mesh(valid_positions(vertices), valid_faces(faces, len(vertices)), colors)
