"""Encoders: observation -> code."""

from im2mesh.models.encoders.pointnet import ENCODERS, PointnetResnet, PointnetSimple

__all__ = ["ENCODERS", "PointnetResnet", "PointnetSimple"]
