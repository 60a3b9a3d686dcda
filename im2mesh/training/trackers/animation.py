"""Frames -> the bytes of a moving picture."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def encode_gif(frames: UInt8[np.ndarray, "T H W 3"], fps: float) -> bytes:
    """A GIF that starts anew when it has ended."""
    file, (first, *rest) = io.BytesIO(), [Image.fromarray(frame) for frame in frames]
    first.save(file, "GIF", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
    return file.getvalue()
