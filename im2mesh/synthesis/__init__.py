"""Synthetic bodies: skeleton and skinning, motions, sampling, and the D-FAUST layout on disk."""

from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import Body, count_bodies, load_body
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import CATEGORY, MESH_CHOICES, DatasetSettings, make_dataset
from im2mesh.synthesis.motions import MOTIONS
from im2mesh.synthesis.splits import Clip, split_clips

__all__ = [
    "CATEGORY",
    "MESH_CHOICES",
    "MOTIONS",
    "Body",
    "Clip",
    "ClipSettings",
    "DatasetSettings",
    "animate",
    "count_bodies",
    "load_body",
    "make_dataset",
    "split_clips",
]
