"""Other views of the same training window: turned and mirrored clouds, moved and mirrored images.

A body may face any direction, and its mirror image is a body, too. Networks do not know that, so
they must be shown.
"""

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from im2mesh.data.batch import Sample

CHANCE = 0.5
"""Probability that a window is mirrored, and that the crop of its images is another."""
ZOOM = 0.15
SHIFT = 0.1
ROLL = math.radians(8)
"""Ranges of the crops: logarithm of the scale, part of half the image, and angle to both sides."""
_MIRROR = np.diag([-1.0, 1.0, 1.0])


def augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """Draw another view of a window.

    Clouds are turned by quarter turns about the y axis, and mirrored: the longest side of a body's
    box at t = 0 stays, and its middle, which its coordinates are made of. Images are mirrored about
    the upright plane in which their first camera looks, and cropped anew; positions and cameras
    follow, though that box may become another. (Of stored cameras that are rolled, that plane is
    not upright, and a mirrored body leans.)

    Args:
        sample: A window whose images, if it has any, have cameras.
    """
    mirrored = rng.random() < CHANCE
    if sample.inputs.ndim == 3:
        turn = _quarter_turn(int(rng.integers(4)))
        return _moved(sample, turn @ _MIRROR if mirrored else turn)
    if mirrored:
        sample = _mirrored_images(sample)
    if rng.random() < CHANCE:
        sample = _cropped(sample, _draw_crop(rng))
    return sample


def _quarter_turn(count: int) -> Float[np.ndarray, "3 3"]:
    """That many quarter turns about the y axis, exactly."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[count]
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], float)


def _moved(sample: Sample, matrix: Float[np.ndarray, "3 3"]) -> Sample:
    """All positions of a sample, multiplied by a matrix."""
    names = ["points_0", "points_t", "pointcloud"]
    names += ["inputs"] if sample.inputs.ndim == 3 else []
    turn = matrix.T.astype(np.float32)
    return replace(sample, **{name: getattr(sample, name) @ turn for name in names})


def _mirrored_images(sample: Sample) -> Sample:
    """What `Views.mirrored` does with images and cameras, done with the positions, too."""
    right = sample.cameras[0, 0, :3].astype(np.float64)
    right /= np.linalg.norm(right)
    mirror = np.eye(3) - 2 * np.outer(right, right)  # its own inverse
    cameras = sample.cameras.copy()
    cameras[:, :, :3] = cameras[:, :, :3] @ mirror
    images = np.ascontiguousarray(sample.inputs[..., ::-1])
    return replace(
        _moved(sample, mirror), inputs=images, cameras=(_MIRROR @ cameras).astype(np.float32)
    )


def _draw_crop(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Where a new image shows what was seen at (x, y, 1): scaled, turned and shifted."""
    scale, angle = math.exp(rng.uniform(-ZOOM, ZOOM)), rng.uniform(-ROLL, ROLL)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    right, down = rng.uniform(-SHIFT, SHIFT, 2)
    return np.array([[cos, -sin, right], [sin, cos, down], [0, 0, 1]])


def _cropped(sample: Sample, crop: Float[np.ndarray, "3 3"]) -> Sample:
    """All images cropped alike; beyond the old border, the background goes on."""
    images = torch.from_numpy(sample.inputs)
    back = torch.from_numpy(np.linalg.inv(crop)[:2]).to(images.dtype).expand(len(images), 2, 3)
    grid = F.affine_grid(back, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    cameras = (crop @ sample.cameras).astype(np.float32)
    return replace(sample, inputs=moved.numpy(), cameras=cameras)
