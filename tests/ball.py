"""A moving ball whose occupancy, velocity, paths and meshes are known exactly, written to disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from im2mesh.data.frame_files import write_camera

CATEGORY = "balls"
NUM_FRAMES = 12
RADIUS = 0.3  # metres, of the first frame
GROWTH = 1.01  # per frame
SPLITS = {
    "train": ["ball_a", "ball_b"],
    "val": ["ball_c"],
    "test": ["ball_d"],
    "test_new_individual": ["ball_e"],
}


@dataclass(frozen=True)
class BallMotion:
    """Drift and turn of one clip, per frame."""

    drift: np.ndarray
    turn: float

    def center(self, frame: int) -> np.ndarray:
        return np.array([0.2, 1.0, -0.1]) + frame * self.drift

    def to_world(self, directions: np.ndarray, frame: int) -> np.ndarray:
        """Unit vectors of the resting ball -> world positions on its surface."""
        cosine, sine = np.cos(frame * self.turn), np.sin(frame * self.turn)
        rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        return self.center(frame) + self.radius(frame) * directions @ rotation.T

    def radius(self, frame: int) -> float:
        return RADIUS * GROWTH**frame


def ball_motion(clip: str) -> BallMotion:
    number = ord(clip[-1]) - ord("a")
    drift = np.array([0.01, 0.004 * number, -0.006])
    return BallMotion(drift, turn=0.05 + 0.01 * number)


def unit_vectors(count: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_ball_dataset(root: Path, num_frames: int = NUM_FRAMES) -> None:
    """Write all splits in the layout of the real data; frame numbers start at 7."""
    folder = root / CATEGORY
    for split, clips in SPLITS.items():
        for clip in clips:
            write_ball_clip(folder / clip, ball_motion(clip), num_frames)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.lst").write_text("\n".join(clips) + "\n")


def write_ball_clip(folder: Path, motion: BallMotion, num_frames: int) -> None:
    rng = np.random.default_rng(len(folder.name))
    directions = unit_vectors(600, rng)
    for frame in range(num_frames):
        loc = motion.center(frame).astype(np.float16)
        scale = np.float64(2 * motion.radius(frame))
        normals = (motion.to_world(directions, frame) - motion.center(frame)) / motion.radius(frame)
        cloud = (motion.to_world(directions, frame) - loc) / scale
        _save(
            folder / "pcl_seq" / f"{frame + 7:08d}.npz",
            points=cloud.astype(np.float16),
            normals=normals.astype(np.float16),
            loc=loc,
            scale=scale,
        )
        for name, points in _query_points(rng).items():
            world = loc.astype(np.float64) + scale * points.astype(np.float64)
            inside = np.linalg.norm(world - motion.center(frame), axis=1) < motion.radius(frame)
            _save(
                folder / name / f"{frame + 7:08d}.npz",
                points=points,
                occupancies=np.packbits(inside),
                loc=loc,
                scale=scale,
            )


def write_ball_images(root: Path, num_views: int = 4, size: int = 32) -> None:
    """Add img/<view>/ to the clips of `write_ball_dataset`: the ball as a disc on white.

    View k looks from the azimuth 360 k / num_views; the whole clip is in view. Each view has its
    camera.
    """
    for folder in sorted(path for path in (root / CATEGORY).iterdir() if path.is_dir()):
        motion = ball_motion(folder.name)
        for view in range(num_views):
            write_camera(
                folder / "img" / str(view) / "cameras.npz",
                ball_camera(motion, 2 * np.pi * view / num_views),
            )
        for cloud in sorted((folder / "pcl_seq").iterdir()):
            for view in range(num_views):
                path = folder / "img" / str(view) / f"{int(cloud.stem):05d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                azimuth = 2 * np.pi * view / num_views
                draw_ball(motion, int(cloud.stem) - 7, azimuth, size).save(path, quality=95)


def draw_ball(motion: BallMotion, frame: int, azimuth: float, size: int) -> Image.Image:
    """A parallel projection, 1.2 metres high, around the centre of the first frame."""
    right = np.array([np.cos(azimuth), 0, -np.sin(azimuth)])
    moved = motion.center(frame) - motion.center(0)
    scale = size / 1.2  # pixels per metre
    x, y = size / 2 + scale * np.array([moved @ right, -moved[1]])
    radius = scale * motion.radius(frame)
    image = Image.new("RGB", (size, size), "white")
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), "firebrick")
    return image


def ball_camera(motion: BallMotion, azimuth: float) -> np.ndarray:
    """The matrix from the world to the images of `draw_ball`."""
    right = np.array([np.cos(azimuth), 0, -np.sin(azimuth)])
    rows = np.stack([right, [0, -1, 0]]) / 0.6
    return np.vstack([np.column_stack([rows, -rows @ motion.center(0)]), [0, 0, 0, 1]])


def _query_points(rng: np.random.Generator) -> dict[str, np.ndarray]:
    near = unit_vectors(500, rng) / 2 + rng.normal(0, 0.01, (500, 3))
    uniform = 1.1 * (rng.random((1001, 3)) - 0.5)
    return {"points_seq": uniform.astype(np.float16), "points_near_seq": near.astype(np.float16)}


def _save(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
