"""A surface that moves over a whole clip, as a fit has found it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.node_motion import FittedMotion, Pose, carry_points
from im2mesh.meshing.mesh import Mesh


@dataclass(frozen=True)
class FittedClip:
    """A surface that moves over a whole clip.

    Attributes:
        surface: The surface at the key frame, where it is at rest.
        graph: Nodes of the surface.
        key_time: Time of the key frame.
        later: Motions of the windows after the key frame, in their order.
        earlier: Those before it, from the key frame back; their clock runs backward.
    """

    surface: Mesh
    graph: NodeGraph
    key_time: float
    later: Sequence[FittedMotion]
    earlier: Sequence[FittedMotion]

    def pose(self, time: float) -> Pose:
        """The pose of the nodes at a time of the clip."""
        is_later = time >= self.key_time
        motions, clock = (self.later, time) if is_later else (self.earlier, -time)
        begun = [motion for motion in motions if motion.basis.start <= clock]
        if not begun:
            return Pose.at_rest(len(self.graph.positions))
        return begun[-1].pose(np.array([clock])).at(0)

    def vertices(self, times: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S V 3"]:
        """Positions of all vertices of the surface at times of the clip."""
        points = torch.from_numpy(self.surface.vertices.astype(np.float32))
        poses = [self.pose(float(time)).as_frames() for time in times]
        carried = [carry_points(self.graph, pose, points, self.graph.shares) for pose in poses]
        return torch.cat(carried).numpy()
