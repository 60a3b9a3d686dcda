"""A body cut out of its pictures, as networks have seen bodies: large, on a plain background.

The rule is simple, and stated, so that nobody need guess what was taken for the body:

1. Where pictures have transparent pixels, what is opaque is the body.
2. Otherwise the background must be plain. Its colour is the median along the edge of the picture;
   nine tenths of the edge must have that colour. What has another colour is the body; of several
   regions, those count that have at least a tenth of the largest one's pixels.

All pictures are cropped alike, to the square in which the body stays throughout.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import label

from im2mesh.data.pictures import Picture
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.rendering import BACKGROUND, MARGIN

WORKING_SIZE = 512
"""Pixels of a picture's longer side while the body is looked for."""
EDGE = 0.02
"""Width of a picture's edge, as a part of its longer side."""
SAME_COLOUR = 24
"""How much a channel, of 255, may differ from the background."""
PLAIN = 0.9
"""Share of the edge that must have the colour of the background."""
LEAST_BODY = 0.002
"""Share of the picture that a body fills at least."""
LEAST_REGION = 0.1
"""Size of a region that belongs to the body, as a part of the largest."""
_WAY_OUT = "cut the body out (transparent PNG), or film before a wall and floor of one colour"


@dataclass(frozen=True)
class CutOut:
    """The pictures of a body, cropped alike.

    Attributes:
        names: Name of each picture, for messages.
        images: RGB in [0, 1], square.
        boxes: Of the body in each picture: left, top, right and bottom, in [-1, 1] across the
            cropped picture.
    """

    names: tuple[str, ...]
    images: Float[np.ndarray, "T 3 S S"]
    boxes: Float[np.ndarray, "T 4"]


def cut_out(pictures: Iterable[Picture], size: int) -> CutOut:
    """Cut the body out of all pictures.

    Args:
        pictures: At least one, all of the same size.
        size: Height and width of the result, in pixels.

    Raises:
        UserError: If no body is found by the rule above, or pictures differ in size; names the
            picture.
    """
    names, bodies, boxes, cut_off, full = [], [], [], [], None
    for picture in pictures:
        shape = picture.pixels.shape[:2]
        full = shape if full is None else full
        if shape != full:
            raise UserError(
                f"{picture.name} has {shape[1]} x {shape[0]} pixels, and those before have "
                f"{full[1]} x {full[0]}; the camera must stand still and keep its size"
            )
        pixels = _smaller(picture.pixels)
        mask = find_body(picture.name, pixels)
        if not _has_transparent(pixels) and _reaches_edge(mask):
            cut_off.append(picture.name)
        left, top, right, bottom = box = _box(mask)
        shown = np.where(mask[..., None], pixels[..., :3], np.array(BACKGROUND, np.uint8))
        names.append(picture.name)
        boxes.append(box)
        bodies.append(shown[top:bottom, left:right].copy())  # the rest is not kept in memory
    if not names:
        raise UserError("there is no picture to cut a body out of")
    _tell_cut_off(cut_off)
    found = np.array(boxes, np.float64)
    low, side = _square(found)
    images = [
        _place(body, box[:2] - low, side, size) for body, box in zip(bodies, found, strict=True)
    ]
    return CutOut(tuple(names), np.stack(images), 2 * (found - np.tile(low, 2)) / side - 1)


def find_body(name: str, pixels: UInt8[np.ndarray, "H W C"]) -> Bool[np.ndarray, "H W"]:
    """Which pixels show the body.

    Raises:
        UserError: If the background is not plain, or there is no body before it.
    """
    if _has_transparent(pixels):
        mask = pixels[..., 3] >= 128
    else:
        mask = _without_specks(_before_plain_background(name, pixels[..., :3]))
    share = float(mask.mean())
    if share < LEAST_BODY:
        raise UserError(
            f"{name}: nothing is seen before the background ({share:.2%} of it); {_WAY_OUT}, or "
            "leave the picture out"
        )
    return mask


def _before_plain_background(
    name: str, pixels: UInt8[np.ndarray, "H W 3"]
) -> Bool[np.ndarray, "H W"]:
    width = max(1, round(EDGE * max(pixels.shape[:2])))
    edge = np.concatenate(
        [
            pixels[:width].reshape(-1, 3),
            pixels[-width:].reshape(-1, 3),
            pixels[width:-width, :width].reshape(-1, 3),
            pixels[width:-width, -width:].reshape(-1, 3),
        ]
    ).astype(np.int16)
    colour = np.median(edge, axis=0)
    plain = float((np.abs(edge - colour).max(axis=1) <= SAME_COLOUR).mean())
    if plain < PLAIN:
        raise UserError(
            f"{name}: the background is not plain; {plain:.0%} of the picture's edge have one "
            f"colour, and {PLAIN:.0%} must. {_WAY_OUT[0].upper()}{_WAY_OUT[1:]}"
        )
    return np.abs(pixels.astype(np.int16) - colour).max(axis=2) > SAME_COLOUR


def _has_transparent(pixels: UInt8[np.ndarray, "H W C"]) -> bool:
    return pixels.shape[2] == 4 and bool(pixels[..., 3].min() < 128)


def _reaches_edge(mask: Bool[np.ndarray, "H W"]) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _tell_cut_off(names: Sequence[str]) -> None:
    """Once for all pictures: a film has hundreds."""
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        warnings.warn(
            f"{names[0]}{more}: the body reaches the edge of the picture; networks have only "
            "seen whole ones",
            Advice,
            stacklevel=3,
        )


def _without_specks(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    regions = np.empty(mask.shape, np.int32)
    label(mask, np.ones((3, 3)), regions)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    return (sizes >= LEAST_REGION * sizes.max())[regions] & mask


def _smaller(pixels: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H2 W2 C"]:
    """The picture at the size at which the body is looked for; never enlarged."""
    height, width = pixels.shape[:2]
    factor = WORKING_SIZE / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _box(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is seen; the last two are excluded."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _square(boxes: Float[np.ndarray, "T 4"]) -> tuple[Float[np.ndarray, "2"], float]:
    """The upper left corner and the side of the square, with a margin, in which all boxes lie."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = MARGIN * float((high - low).max())
    return (low + high - side) / 2, side


def _place(
    body: UInt8[np.ndarray, "H W 3"], corner: Float[np.ndarray, "2"], side: float, size: int
) -> Float[np.ndarray, "3 S S"]:
    """The body before the background of a square, its upper left corner at the place given."""
    height, width = body.shape[:2]
    whole = np.full((*(int(side) + 2 + np.array([height, width])), 3), BACKGROUND, np.uint8)
    left, top = np.ceil(corner).astype(int)
    whole[top : top + height, left : left + width] = body
    x, y = (np.array([left, top]) - corner).tolist()  # where the square begins, within a pixel
    box = (x, y, x + side, y + side)
    resized = Image.fromarray(whole).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return (np.asarray(resized, np.float32) / 255).transpose(2, 0, 1)
