"""Encoders: observation -> code, or a distribution over codes."""

from im2mesh.models.encoders.images import Conv3D, Resnet18
from im2mesh.models.encoders.pointnet import (
    Pointnet2Stream,
    PointnetResnet,
    PointnetSimple,
    PointnetSpaceTime,
)
from im2mesh.models.encoders.pointnet_local import PointnetLocal
from im2mesh.models.encoders.pointnet_per_frame import PointnetPerFrame
from im2mesh.models.encoders.pointnet_space_time_local import PointnetSpaceTimeLocal
from im2mesh.models.encoders.posterior import POSTERIORS, PosteriorPointnet
from im2mesh.models.encoders.soft_matching import SoftMatching

ENCODERS = {
    "pointnet_resnet": PointnetResnet,
    "pointnet_simple": PointnetSimple,
    "pointnet_2stream": Pointnet2Stream,
    "pointnet_space_time": PointnetSpaceTime,
    "pointnet_per_frame": PointnetPerFrame,
    "pointnet_local": PointnetLocal,
    "pointnet_space_time_local": PointnetSpaceTimeLocal,
    "soft_matching": SoftMatching,
    "resnet18": Resnet18,
    "conv_3D": Conv3D,
}

__all__ = [
    "ENCODERS",
    "POSTERIORS",
    "Conv3D",
    "Pointnet2Stream",
    "PointnetLocal",
    "PointnetPerFrame",
    "PointnetResnet",
    "PointnetSimple",
    "PointnetSpaceTime",
    "PointnetSpaceTimeLocal",
    "PosteriorPointnet",
    "Resnet18",
    "SoftMatching",
]
