"""What is known of a window once its surface and its motion have been found."""

from dataclasses import dataclass

from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.node_motion import FittedMotion
from im2mesh.meshing.mesh import Mesh


@dataclass(frozen=True)
class Settled:
    """A corrected surface, its nodes, and its motion over the window."""

    surface: Mesh
    graph: NodeGraph
    motion: FittedMotion
