"""Encoders: observation -> code."""

from im2mesh.models.encoders.pointnet import PointnetResnet, PointnetSimple

ENCODERS = {"pointnet_resnet": PointnetResnet, "pointnet_simple": PointnetSimple}

__all__ = ["ENCODERS", "PointnetResnet", "PointnetSimple"]
