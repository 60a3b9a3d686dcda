"""The library of USD, which is an extra, and the names that our files have in it."""

from types import SimpleNamespace
from typing import Any

from im2mesh.errors import UserError

ROOT = "/sequence"
"""The prim that places the shape."""
SHAPES = {"Mesh": f"{ROOT}/mesh", "Points": f"{ROOT}/points"}
"""Type of the shape -> its place. A file has one shape."""
NOTE = "im2mesh"
"""In the custom data of the layer: the place of the meshes in the world."""


def load_usd(purpose: str) -> Any:
    """The modules of `pxr` that we use, as attributes.

    Args:
        purpose: What needs them, for the message.

    Raises:
        UserError: If usd-core is not installed.
    """
    try:
        from pxr import (  # pyright: ignore[reportMissingImports]
            Gf,
            Sdf,
            Tf,
            Usd,
            UsdGeom,
            Vt,
        )
    except ImportError as error:
        raise UserError(
            f"{purpose} needs usd-core, run: pip install -e '.[usd]'; or use glb, which needs "
            "nothing more"
        ) from error
    return SimpleNamespace(Gf=Gf, Sdf=Sdf, Tf=Tf, Usd=Usd, UsdGeom=UsdGeom, Vt=Vt)
