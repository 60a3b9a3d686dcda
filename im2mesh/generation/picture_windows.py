"""Pictures of a body -> moving meshes, one for each window as long as those of training."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import NO_CAMERAS, Observation
from im2mesh.data.cut_out import CutOut
from im2mesh.data.transforms import AS_IT_IS, NormalizationFrame
from im2mesh.errors import Advice, UserError
from im2mesh.generation.generator import Generator
from im2mesh.meshing.animated_file import FRAMES_PER_SECOND
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.rendering import Camera

MOST_STRETCHED = 0.15
"""How much longer or shorter than in training a window may last, as a part of that."""


@dataclass(frozen=True)
class PictureSettings:
    """How pictures are to be understood.

    Attributes:
        rate: Pictures a second.
        azimuth, elevation: Degrees of the camera, as in `Camera`, in the axes of the meshes; only
            models that know their cameras need them.
    """

    rate: float
    azimuth: float
    elevation: float


@dataclass(frozen=True)
class PictureWindow:
    """The meshes of some consecutive pictures.

    Attributes:
        first: Index of the first picture.
        count: Number of pictures, each with a mesh.
        seconds: From time 0 of the meshes to time 1.
        meshes: In the frame in which the body of picture 0 has size 1; if the model knows no
            cameras, in that in which the body of the window's first picture has.
    """

    first: int
    count: int
    seconds: float
    meshes: Reconstruction


def reconstruct_pictures(
    generator: Generator,
    data: DataConfig,
    body: CutOut,
    settings: PictureSettings,
    progress: Callable[[int], Callable[[], object]] = lambda total: lambda: None,
) -> Iterator[PictureWindow]:
    """Reconstruct a body, window by window. The last picture of a window is the first of the next;
    only the last window may begin earlier.

    Args:
        generator: A model that observes images.
        data: Section `data` of the configuration that the model was trained with.
        body: The body cut out of its pictures.
        settings: How they are to be understood.
        progress: Number of windows -> what is called after each of them.

    Raises:
        UserError: At once, if the model needs more pictures than there are.
    """
    length = pictures_of_window(data, settings.rate)
    any_number = generator.model.takes_any_frames
    planned = [
        (first, first + np.arange(count), first + _spread(count, data.observed_frames, any_number))
        for first, count in plan_windows(len(body.images), length, any_number)
    ]

    def run() -> Iterator[PictureWindow]:
        finish, whole = progress(len(planned)), length - 1
        for first, shown, seen in planned:
            clock = ((shown - first) / whole).astype(np.float32)
            times = ((seen - first) / whole).astype(np.float32)
            cameras, frame = NO_CAMERAS, AS_IT_IS
            if data.view_cameras:
                cameras = _cameras(body, first, len(seen), settings)
                frame = place_in_film(body.boxes[first], body.boxes[0], settings)
            observation = Observation(body.images[seen], times, cameras)
            meshes = generator.generate(observation, clock, frame=frame)
            yield PictureWindow(first, len(shown), whole / settings.rate, meshes)
            finish()

    return run()


def pictures_of_window(data: DataConfig, rate: float) -> int:
    """Number of pictures in the time that a window lasts.

    Raises:
        UserError: If no number of pictures lasts about as long.
    """
    seconds = (data.num_frames - 1) * data.frame_step / FRAMES_PER_SECOND
    steps = max(1, round(seconds * rate))
    if abs(steps / rate / seconds - 1) > MOST_STRETCHED:
        raise UserError(
            f"{rate:g} pictures a second are too few: a window of these weights lasts "
            f"{seconds:.2f} s; film at {np.ceil(4 / seconds):g} or more, or set --fps to what "
            "these pictures are"
        )
    return steps + 1


def plan_windows(total: int, length: int, any_number: bool) -> list[tuple[int, int]]:
    """First picture and number of pictures of every window. The last one ends with the last
    picture, and may overlap the one before. A film that is shorter than a window is told.

    Args:
        total: Number of pictures.
        length: Number of pictures of a whole window.
        any_number: Whether a window may be shorter, where there are fewer pictures.

    Raises:
        UserError: If there are too few pictures.
    """
    needed = 2 if any_number else length
    if total < needed:
        raise UserError(
            f"{total} pictures, and these weights need {needed} at this rate; give more, or set "
            "--fps to the pictures a second that these are"
        )
    if total < length:
        warnings.warn(
            f"{total} pictures are fewer than the {length} of a window at this rate, and these "
            "weights have learned from whole windows; give more, or set --fps to the pictures a "
            "second that these are",
            Advice,
            stacklevel=3,
        )
    count = min(length, total)
    return [(min(first, total - count), count) for first in range(0, total - 1, length - 1)]


def camera_of(box: Float[np.ndarray, "4"], settings: PictureSettings) -> Float[np.ndarray, "3 4"]:
    """The camera of a body, whose frame of reference has size 1, seen in a box of its picture.

    The camera is far away, and the body is as long as its box: so it is for who stands upright.
    """
    longest = _longest(box)
    center = -_in_space(box, settings) / longest
    return Camera(center, 1 / longest, settings.azimuth, settings.elevation).projection


def place_in_film(
    box: Float[np.ndarray, "4"], first: Float[np.ndarray, "4"], settings: PictureSettings
) -> NormalizationFrame:
    """Where a body that is seen in a box stands, and its size, in the frame of the body that is
    seen in the first box. The camera stands still; it sees no depth, so both are taken to be as far
    from it.
    """
    moved = _in_space(box, settings) - _in_space(first, settings)
    return NormalizationFrame(moved / _longest(first), _longest(box) / _longest(first))


def _longest(box: Float[np.ndarray, "4"]) -> float:
    return float((box[2:] - box[:2]).max())


def _in_space(box: Float[np.ndarray, "4"], settings: PictureSettings) -> Float[np.ndarray, "3"]:
    """The middle of a box from that of the picture, in halves of its side; y points down there."""
    x, y = ((box[:2] + box[2:]) / 2).tolist()
    right, up, _ = Camera(np.zeros(3), 1.0, settings.azimuth, settings.elevation).axes
    return x * right - y * up


def _cameras(
    body: CutOut, first: int, count: int, settings: PictureSettings
) -> Float[np.ndarray, "K 3 4"]:
    camera = camera_of(body.boxes[first], settings).astype(np.float32)
    return np.repeat(camera[None], count, 0)


def _spread(count: int, observed: int, any_number: bool) -> Int[np.ndarray, "K"]:
    """Which pictures of a window the model sees: as many as in training, evenly spread."""
    if count < observed and not any_number:
        raise UserError(
            f"a window has {count} pictures at this rate, and these weights see {observed}; give "
            "pictures that follow each other more closely"
        )
    return np.linspace(0, count - 1, min(count, observed)).round().astype(np.int64)
