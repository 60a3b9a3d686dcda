"""Colours by position, for surfaces in correspondence."""

import numpy as np
from jaxtyping import Float, UInt8

_OKLAB_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)

_CONES_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def position_colors(
    points: Float[np.ndarray, "N 3"],
    lower: Float[np.ndarray, "3"] | None = None,
    upper: Float[np.ndarray, "3"] | None = None,
) -> UInt8[np.ndarray, "N 3"]:
    """Colour points by position: height sets the hue, and x goes from dark to light.

    Colours lie in OkLCh space, where equal steps look equally large and shading stays visible.

    Args:
        points: Positions.
        lower, upper: Corners of the box that spans the colours; by default the bounding box of the
            points. Pass the same box for two shapes whose colours are to be compared.
    """
    if len(points) == 0:
        return np.zeros((0, 3), np.uint8)
    low = points.min(axis=0) if lower is None else lower
    high = points.max(axis=0) if upper is None else upper
    x, y, z = np.clip((points - low) / np.maximum(high - low, 1e-9), 0.0, 1.0).T
    hue = np.radians(10.0 + 290.0 * y + 50.0 * (x - 0.5) + 30.0 * (z - 0.5))
    return _oklch_to_rgb(0.64 + 0.2 * x, np.full_like(x, 0.13), hue)


def _oklch_to_rgb(
    lightness: Float[np.ndarray, " N"],
    chroma: Float[np.ndarray, " N"],
    hue: Float[np.ndarray, " N"],
) -> UInt8[np.ndarray, "N 3"]:
    """Convert OkLCh (the polar form of Bjorn Ottosson's OkLab, 2020) to sRGB, and clip it."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    cones = (lab @ _OKLAB_TO_CONES.T) ** 3
    linear = np.clip(cones @ _CONES_TO_RGB.T, 0.0, 1.0)
    return rgb_of_light(linear)


def linear_light(colors: UInt8[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """sRGB as the linear light, from 0 to 1, that glTF and USD want of vertex colours."""
    values = colors / 255.0
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)


def rgb_of_light(light: Float[np.ndarray, "N 3"]) -> UInt8[np.ndarray, "N 3"]:
    """The reverse of `linear_light`, for light from 0 to 1."""
    rgb = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    return np.rint(255.0 * rgb).astype(np.uint8)
