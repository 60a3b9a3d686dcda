"""Every network that a configuration can name, and which of them a method has."""

from collections.abc import Callable, Mapping

from im2mesh.models.decoders import DECODERS
from im2mesh.models.deformations import DEFORMATIONS
from im2mesh.models.encoders import ENCODERS, POSTERIORS
from im2mesh.models.trajectory_decoders import TRAJECTORY_DECODERS
from im2mesh.models.velocity_fields import VELOCITY_FIELDS

PARTS: dict[str, Mapping[str, Callable]] = {
    "encoder": ENCODERS,
    "encoder_temporal": ENCODERS,
    "posterior": POSTERIORS,
    "posterior_temporal": POSTERIORS,
    "decoder": DECODERS,
    "velocity_field": VELOCITY_FIELDS,
    "deformation": DEFORMATIONS,
    "trajectory_decoder": TRAJECTORY_DECODERS,
}
"""Key of a network below `model` -> its names -> classes."""

NEEDED = {
    "occupancy_flow": set[str](),  # but a velocity field or a deformation
    "onet4d": {"encoder_temporal", "decoder"},
    "onet_per_frame": {"encoder", "decoder"},
    "psgn4d": {"encoder_temporal", "trajectory_decoder"},
    "nearest_neighbour": set[str](),
}
OPTIONAL = {
    "occupancy_flow": {
        "encoder",
        "encoder_temporal",
        "posterior",
        "posterior_temporal",
        "decoder",
        "velocity_field",
        "deformation",
    }
}
