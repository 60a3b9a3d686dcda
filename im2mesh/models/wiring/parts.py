"""Tables of all methods and networks that a configuration can name."""

from collections.abc import Callable, Mapping

from im2mesh.models.baselines import (
    NearestNeighbour,
    OccupancyNetwork4D,
    OccupancyNetworkPerFrame,
    PointSetGeneration4D,
)
from im2mesh.models.decoders import DecoderCBatchNorm, DecoderSimple, TrajectoryMLP
from im2mesh.models.deformations.coupling import Coupling
from im2mesh.models.deformations.displacement import Displacement
from im2mesh.models.deformations.given import Carried, Static
from im2mesh.models.encoders.image_resnet import ImageResnet
from im2mesh.models.encoders.images import Conv3D, Resnet18
from im2mesh.models.encoders.pointnet import (
    Pointnet2Stream,
    PointnetPerFrame,
    PointnetResnet,
    PointnetSimple,
    PointnetSpaceTime,
)
from im2mesh.models.encoders.posterior import PosteriorPointnet
from im2mesh.models.flow.velocity_fields import VelocityFieldConcat
from im2mesh.models.local.decoder import DecoderLocalAttention
from im2mesh.models.local.deformation import Anchored
from im2mesh.models.local.encoder import PointnetLocal, PointnetTracked
from im2mesh.models.local.soft_matching import SoftMatching
from im2mesh.models.local.velocity_fields import VelocityFieldAnchored
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.pixels.decoder import DecoderPixelAligned
from im2mesh.models.pixels.encoder import ImagePixels
from im2mesh.models.pixels.velocity_field import VelocityFieldPixelAligned
from im2mesh.models.sequence_model import SequenceModel

METHODS: dict[str, type[SequenceModel]] = {
    method.method: method
    for method in (
        OccupancyFlow,
        OccupancyNetwork4D,
        OccupancyNetworkPerFrame,
        PointSetGeneration4D,
        NearestNeighbour,
    )
}
"""Name of a method, as model.method gives it -> its class."""

ENCODERS = {
    "pointnet_resnet": PointnetResnet,
    "pointnet_simple": PointnetSimple,
    "pointnet_2stream": Pointnet2Stream,
    "pointnet_space_time": PointnetSpaceTime,
    "pointnet_per_frame": PointnetPerFrame,
    "pointnet_local": PointnetLocal,
    "pointnet_tracked": PointnetTracked,
    "soft_matching": SoftMatching,
    "resnet18": Resnet18,
    "conv_3D": Conv3D,
    "image_resnet": ImageResnet,
    "image_pixels": ImagePixels,
}
DECODERS = {
    "cbatchnorm": DecoderCBatchNorm,
    "simple": DecoderSimple,
    "local_attention": DecoderLocalAttention,
    "pixel_aligned": DecoderPixelAligned,
}
VELOCITY_FIELDS = {
    "concat": VelocityFieldConcat,
    "anchored": VelocityFieldAnchored,
    "pixel_aligned": VelocityFieldPixelAligned,
}
DEFORMATIONS = {
    "static": Static,
    "carried": Carried,
    "anchored": Anchored,
    "displacement": Displacement,
    "coupling": Coupling,
}
POSTERIORS = {"pointnet": PosteriorPointnet}
TRAJECTORY_DECODERS = {"mlp": TrajectoryMLP}

PARTS: dict[str, Mapping[str, Callable]] = {
    "encoder": ENCODERS,
    "encoder_temporal": ENCODERS,
    "decoder": DECODERS,
    "velocity_field": VELOCITY_FIELDS,
    "deformation": DEFORMATIONS,
    "posterior": POSTERIORS,
    "posterior_temporal": POSTERIORS,
    "trajectory_decoder": TRAJECTORY_DECODERS,
}
"""Key of a part in section `model` -> names of networks -> classes.

Networks are made in this order, so that a seed always gives the same weights.
"""
