"""The mistakes of docs/errors.md in pictures: a mistake -> what generate.py --images says."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from im2mesh.config.schema import DataConfig
from im2mesh.data.cut_out import cut_out
from im2mesh.data.pictures import Picture, find_pictures
from im2mesh.errors import UserError
from im2mesh.generation.picture_windows import pictures_of_window, plan_windows
from tests.user import User


def with_pictures(user: User, *numbers: int) -> User:
    """A folder of pictures of somebody in red before a grey wall."""
    for number in numbers:
        content = io.BytesIO()
        Image.fromarray(somebody()).save(content, "PNG")
        user.writes(f"film/{number}.png", content.getvalue())
    return user


def somebody() -> np.ndarray:
    pixels = np.full((100, 160, 3), 128, np.uint8)
    pixels[20:80, 60:90] = (200, 40, 40)
    return pixels


def reconstructs(user: User, *arguments: str) -> str:
    return user.generates("--images", *arguments)


def cuts_out(*arrays: np.ndarray) -> str:
    pictures = [Picture(f"{k}.png", pixels) for k, pixels in enumerate(arrays)]
    return refusal(lambda: cut_out(pictures, 64))


def refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except UserError as error:
        return str(error)
    return "no mistake"


def _street() -> np.ndarray:
    columns = np.linspace(0, 255, 160).astype(np.uint8)
    return np.tile(columns[None, :, None], (100, 1, 3))


PICTURES: dict[str, Callable[[User], str]] = {
    "a folder without pictures": lambda user: reconstructs(
        user.writes("film/readme.txt", "soon"), "film"
    ),
    "a picture that is missing between others": lambda user: reconstructs(
        with_pictures(user, 1, 2, 4), "film"
    ),
    "a video that is not there": lambda user: reconstructs(user, "film.mp4"),
    "a file that is no video": lambda user: reconstructs(
        user.writes("film.mp4", "no video"), "film.mp4"
    ),
    "too few pictures a second": lambda user: refusal(
        lambda: pictures_of_window(DataConfig(), 3.0)
    ),
    "too few pictures": lambda user: refusal(lambda: plan_windows(5, 17, False)),
    "a video among pictures": lambda user: reconstructs(
        with_pictures(user, 1), "film/1.png", "film.mp4"
    ),
    "a picture that is not intact": lambda user: refusal(
        lambda: list(find_pictures([user.writes("0.png", "no picture").folder / "0.png"]))
    ),
    "a frame of a split for pictures": lambda user: reconstructs(
        with_pictures(user, 1, 2), "film", "--clips", "a"
    ),
    "no pictures a second": lambda user: reconstructs(
        with_pictures(user, 1, 2), "film", "--fps", "0"
    ),
    "weights that observe clouds": lambda user: reconstructs(
        with_pictures(user, 1, 2), "film", "--weights", "local"
    ),
    "clouds and pictures at once": lambda user: reconstructs(
        with_pictures(user, 1, 2), "film", "--clouds", "scan"
    ),
    "a body before a street": lambda user: cuts_out(somebody(), _street()),
    "a wall without a body": lambda user: cuts_out(np.full((100, 160, 3), 128, np.uint8)),
    "a camera that changes its size": lambda user: cuts_out(somebody(), somebody()[:80]),
}
