"""Images of a window: lists the views of a clip, and reads the pixels of one view."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from im2mesh.data.clip_files import view_names
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import IMAGE_FOLDER, DataError
from im2mesh.errors import UserError, is_refused_by_system

FORMATS = ("JPEG", "PNG")  # Pillow knows many more, some of which start other programs
MAX_PIXELS = 2**24  # 4096 x 4096; a small file may claim any size
_WAY_OUT = "make the data with make_bodies.py --views 4, or set data.input: pointcloud"


def list_views(stored: StoredWindow) -> tuple[str, ...]:
    """The view folders of a clip, sorted by number if all names are numbers, else by name.

    Raises:
        DataError: If the clip has no images.
    """
    clip, folder = stored.window.clip, stored.clip_folder / IMAGE_FOLDER
    if not folder.is_dir():
        raise DataError(f"clip {clip}: no folder {folder}; {_WAY_OUT}")
    names = view_names(folder)
    if not names:
        raise DataError(f"clip {clip}: {folder} holds no folder of a view; {_WAY_OUT}")
    return tuple(sorted(names, key=int) if all(map(str.isdecimal, names)) else names)


def choose_views(stored: StoredWindow, num_views: int) -> tuple[str, ...]:
    """The first `num_views` views of a clip. Numbered views must be 0, 1, 2, ... without a gap.

    Raises:
        DataError: If a view is missing.
    """
    found = list_views(stored)
    views = found[:num_views]
    are_numbers = all(map(str.isdecimal, found))
    if are_numbers and [int(view) for view in views] != list(range(num_views)):
        missing = min(set(range(num_views)) - {int(view) for view in found})
        problem = f"view {missing} is missing"
    elif len(views) < num_views:
        problem = f"{num_views - len(views)} missing"
    else:
        return views
    raise DataError(
        f"clip {stored.window.clip}: {IMAGE_FOLDER} has views {', '.join(found)}, expected "
        f"{num_views}; {problem}: copy or make it again, or lower data.num_views"
    )


def choose_view(stored: StoredWindow, num_views: int, rng: np.random.Generator | None) -> str:
    """One of the views that `choose_views` gives: a random one, or without `rng` the first."""
    views = choose_views(stored, num_views)
    return views[0 if rng is None else int(rng.integers(num_views))]


def read_images(
    stored: StoredWindow, view: str, frames: Sequence[int], image_size: int
) -> Float[np.ndarray, "K 3 H W"]:
    """The images of some frames of a window, RGB in [0, 1], float32, rows from top to bottom.

    Args:
        stored: The window.
        view: Name of the view's folder.
        frames: Numbers of the frames within the window, from 0.
        image_size: Height and width in pixels; images of another size are resized, smoothly.

    Raises:
        DataError: If the view lacks a frame, or an image is damaged or not square.
    """
    folder = f"{IMAGE_FOLDER}/{view}"
    images = np.empty((len(frames), 3, image_size, image_size), np.float32)
    for image, frame in zip(images, frames, strict=True):
        pixels = _read_rgb(stored.path(frame, folder), stored.window.clip, image_size)
        np.divide(pixels.transpose(2, 0, 1), 255, out=image, dtype=np.float32)
    return images


class DamagedImageError(ValueError):
    """A file is no intact image, for the reason that is given."""


@contextmanager
def opened_image(path: str | Path) -> Iterator[Image.Image]:
    """Open a JPEG or PNG file, to be decoded while it is open.

    Raises:
        DamagedImageError: If it cannot be opened or decoded.
    """
    try:
        content = io.BytesIO(Path(path).read_bytes())  # unlike a file, allocates only what it has
        with Image.open(content, formats=FORMATS) as file:
            yield file
    except UserError:
        raise
    except Exception as error:  # Pillow fails in many ways on damaged files
        if is_refused_by_system(error):
            raise
        raise DamagedImageError(str(error)) from error


def _read_rgb(path: str, clip: str, size: int) -> UInt8[np.ndarray, "H W 3"]:
    try:
        with opened_image(path) as file:
            _check_size(file, path, clip)
            image = file.convert("RGB")
    except DamagedImageError as error:
        raise DataError(
            f"clip {clip}: {path} is not an intact image ({error}); copy or make it again"
        ) from error
    if image.width != size:
        # shrinking averages over the area of each new pixel, so nothing flickers
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _check_size(file: Image.Image, path: str, clip: str) -> None:
    """Check the size that the header claims, before any pixel is decoded."""
    if file.width != file.height:
        raise DataError(
            f"clip {clip}: {path} has {file.width} x {file.height} pixels, expected a "
            "square; crop all images of the clip alike"
        )
    if file.width * file.height > MAX_PIXELS:
        raise DataError(
            f"clip {clip}: {path} claims {file.width} x {file.height} pixels, at most "
            f"{MAX_PIXELS} are read; make it smaller"
        )
