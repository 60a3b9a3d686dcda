"""What the head of an array in an npz file claims, and whether that can be."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np

MAX_HEADER = 4096  # bytes; numpy writes 128 for any array of numbers
MAX_DIMENSIONS = 32  # the limit of numpy 1
MAX_ELEMENTS = 2**58  # numpy can hold such shapes; here an empty dimension counts as 1


class NpzError(ValueError):
    """Says what is wrong with an npz file. The caller adds the name and the use of the file."""


@dataclass(frozen=True)
class ArrayLocation:
    """Where one array lies inside a file; `offset` is None if the member is compressed.

    Attributes:
        head_size: Bytes of the header, which stands before the array.
        checksum: CRC-32 of header and array, as the directory of the file tells it.
    """

    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    head_size: int
    checksum: int

    @property
    def size(self) -> int:
        """Number of elements, which does not overflow, however large a header claims it to be."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return self.size * self.dtype.itemsize


def read_header(head: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type that an .npy file claims. Numpy fails in many ways on damaged ones."""
    version = np.lib.format.read_magic(head)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    with silenced_numpy():
        return read(head)


@contextmanager
def silenced_numpy() -> Iterator[None]:
    """Numpy warns of headers that Python 2 wrote, and Python of odd text in them; neither says
    anything to a user who did not write the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_claims(name: str, claimed: ArrayLocation, num_bytes: int) -> None:
    """Refuse claims that do not fit `num_bytes`, the size of the content in the zip directory.

    Raises:
        NpzError: With the name of the array.
    """
    if claimed.dtype.hasobject:
        raise NpzError(f"'{name}' holds Python objects, which are never loaded")
    if claimed.dtype.kind not in "biuf":
        raise NpzError(f"'{name}' holds {claimed.dtype}, expected numbers")
    is_shape = min(claimed.shape, default=0) >= 0 and len(claimed.shape) <= MAX_DIMENSIONS
    if not is_shape or math.prod(max(n, 1) for n in claimed.shape) > MAX_ELEMENTS:
        raise NpzError(f"'{name}' cannot have the shape {list(claimed.shape)}")
    if claimed.num_bytes != num_bytes:
        raise NpzError(
            f"'{name}' claims the shape {list(claimed.shape)} of {claimed.dtype}, "
            f"the file has {num_bytes} bytes for it"
        )
