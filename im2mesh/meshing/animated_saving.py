"""Moving meshes -> one animated file, in the format that its ending says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.animated_file import is_usd, write_animated
from im2mesh.meshing.formats.gltf.write_moving import flip_book_glb, moving_glb
from im2mesh.meshing.formats.usd.library import load_usd
from im2mesh.meshing.formats.usd.write import write_flip_book_usd, write_moving_usd
from im2mesh.meshing.mesh import Mesh


def refuse_missing_library(format: str | None) -> None:
    """Refuse a format of which the library is not installed, before meshes are computed.

    Raises:
        UserError: If so, with the command that installs it.
    """
    if format == "usd":
        load_usd("generation.mesh_format usd")


def save_moving(
    path: Path,
    first: Mesh,
    vertices: Float[np.ndarray, "T V 3"],
    seconds: Float[np.ndarray, "T"],
    loc: Float[np.ndarray, "3"],
    scale: float,
) -> None:
    """Write one mesh that moves.

    Args:
        path: The file; its ending says the format.
        first: The mesh of the first frame, with its colours.
        vertices: Positions over time.
        seconds: Time of each frame, increasing.
        loc, scale: Place of the positions in the world, which only USD keeps.

    Raises:
        UserError: If it would replace a file of somebody else, or the format lacks its library.
    """
    if is_usd(path):
        load_usd(path.name)
        write_animated(
            path, lambda file: write_moving_usd(file, first, vertices, seconds, loc, scale)
        )
    else:
        write_animated(path, lambda file: file.write_bytes(moving_glb(first, vertices, seconds)))


def save_flip_book(
    path: Path,
    meshes: Sequence[Mesh],
    seconds: Float[np.ndarray, "T"],
    loc: Float[np.ndarray, "3"],
    scale: float,
) -> None:
    """Write meshes without correspondence, each shown until the next; see `save_moving`."""
    if is_usd(path):
        load_usd(path.name)
        write_animated(path, lambda file: write_flip_book_usd(file, meshes, seconds, loc, scale))
    else:
        write_animated(path, lambda file: file.write_bytes(flip_book_glb(meshes, seconds)))
