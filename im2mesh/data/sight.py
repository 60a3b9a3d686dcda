"""Which points of a moving surface sensors see, and how densely: holes, sides, uneven clouds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.layout import DEPTH_FOLDER
from im2mesh.data.transforms import choose_rows, refuse_too_few

POINTS_IN_PIXEL = 12
"""Stored points, in the mean, per pixel of the depth camera that shows the body. Half of them are
on its near side, so few pixels have none there and show the far side by mistake."""
LEAST_DEPTH = 0.02
"""Thickness that a limb must have to hide its own back, in units of the first frame."""
SEEN = "what is seen of the cloud"


@dataclass(frozen=True)
class Sight:
    """What a sensor sees of the points of a surface; it stands still while the surface moves.

    Attributes:
        hole: Radius of a ball in which nothing is seen; 0 for none.
        hole_row: Row of the point of the first cloud with which the ball moves along.
        cameras: Unit vectors from the body to distant depth cameras; none if it is seen all around.
        uneven: How many times as densely the near end is seen as the far end; 1 for evenly.
        near_end: Unit vector from the far end to the near end.
    """

    hole: float
    hole_row: int
    cameras: Float[np.ndarray, "C 3"]
    uneven: float
    near_end: Float[np.ndarray, "3"]

    def choose(
        self, clouds: Sequence[Float[np.ndarray, "_ 3"]], count: int, rng: np.random.Generator
    ) -> list[Int[np.ndarray, "K"]]:
        """Draw `count` different rows of each cloud among those that are seen.

        Raises:
            ValueError: If fewer are seen in a cloud.
        """
        centers = follow_point(clouds, self.hole_row)
        return [
            self._choose(points, center, count, rng)
            for points, center in zip(clouds, centers, strict=True)
        ]

    def _choose(
        self,
        points: Float[np.ndarray, "N 3"],
        center: Float[np.ndarray, "3"],
        count: int,
        rng: np.random.Generator,
    ) -> Int[np.ndarray, "K"]:
        seen = np.linalg.norm(points - center, axis=1) >= self.hole
        if len(self.cameras):
            seen &= np.any([sees_from(camera, points) for camera in self.cameras], axis=0)
        rows = np.flatnonzero(seen)
        if self.uneven == 1:
            return rows[choose_rows(len(rows), count, rng, SEEN)]
        refuse_too_few(len(rows), count, SEEN)
        return rows[_choose_unevenly(points[rows] @ self.near_end, self.uneven, count, rng)]


def draw_sight(config: DataConfig, num_points: int, rng: np.random.Generator) -> Sight:
    """Draw the place of the hole, the sides of the cameras, and the near end. What depth cameras
    saw already is seen by no others.

    Args:
        num_points: Number of points of the first cloud.
    """
    return Sight(
        hole=config.input_hole,
        hole_row=int(rng.integers(num_points)),
        cameras=_directions(
            0 if config.input_folder == DEPTH_FOLDER else config.input_cameras, rng
        ),
        uneven=config.input_uneven,
        near_end=_directions(1, rng)[0],
    )


def is_partial(config: DataConfig) -> bool:
    """Whether some points of the surface are seen less than others."""
    return bool(config.input_hole or config.input_cameras or config.input_uneven != 1)


def sees_from(
    camera: Float[np.ndarray, "3"], points: Float[np.ndarray, "N 3"]
) -> Bool[np.ndarray, "N"]:
    """Which points a distant depth camera sees: those that no other point of their pixel hides."""
    right, up = _across(camera)
    image = np.stack([points @ right, points @ up], axis=1)
    side = np.sqrt(POINTS_IN_PIXEL * np.prod(np.ptp(image, axis=0)) / len(points)) + 1e-9
    points_in_shown = len(points) / len(np.unique(_pixel_of(image, side)))
    side *= np.sqrt(POINTS_IN_PIXEL / points_in_shown)
    pixel, depth = _pixel_of(image, side), -(points @ camera)
    nearest = np.full(pixel.max() + 1, np.inf)
    np.minimum.at(nearest, pixel, depth)
    return depth <= nearest[pixel] + 2 * side + LEAST_DEPTH  # surfaces may be slanted


def _pixel_of(image: Float[np.ndarray, "N 2"], side: float) -> Int[np.ndarray, "N"]:
    """Number of the square pixel of each point of an image."""
    columns, rows = np.floor((image - image.min(0)) / side).astype(np.int64).T
    return columns * (rows.max() + 1) + rows


def follow_point(
    clouds: Sequence[Float[np.ndarray, "_ 3"]], row: int
) -> list[Float[np.ndarray, "3"]]:
    """Follow a point of the first cloud through clouds whose rows need not correspond.

    The point jumps to the nearest one of the next cloud: it drifts along the surface, but stays at
    its body part. Equal sizes do not mean that rows correspond: scans may have been resampled.
    """
    places = [clouds[0][row]]
    for cloud in clouds[1:]:
        distances = np.linalg.norm(cloud - places[-1], axis=1)
        places.append(cloud[distances.argmin()])
    return places


def _choose_unevenly(
    heights: Float[np.ndarray, "N"], uneven: float, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "K"]:
    """Different rows, those of the largest height `uneven` times as likely as those of the least.

    Rows with the largest u^(1 / weight), u uniform, are a weighted draw without repetition
    (Efraimidis and Spirakis, 2006); its logarithm is compared here.
    """
    share = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-12)
    keys = np.log(rng.random(len(heights))) / uneven**share
    return np.argpartition(keys, len(keys) - count)[len(keys) - count :]


def _directions(count: int, rng: np.random.Generator) -> Float[np.ndarray, "C 3"]:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _across(
    direction: Float[np.ndarray, "3"],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Two unit vectors that stand at right angles to a direction and to each other."""
    least = np.eye(3)[np.abs(direction).argmin()]
    right = np.cross(direction, least)
    right /= np.linalg.norm(right)
    return right, np.cross(right, direction)
