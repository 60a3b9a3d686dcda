"""A packed clip: one file that holds all frames of one folder of a clip, and reads like them.

`pcl_seq.npz` stands in place of the folder `pcl_seq`. For every array of the frames it has one
array of the same name: [T, ...] where all frames have equally many rows, and else the rows of all
frames, one after another. A manifest says which files were packed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from im2mesh.data.manifest import WAY_OUT, read_table
from im2mesh.data.storage import (
    AbsentFileError,
    FrameVersion,
    StorageError,
    StoredArrays,
    open_arrays,
)
from im2mesh.data.streaming import fetch
from im2mesh.errors import explain_system_error
from im2mesh.files.remote import RemoteError

_TRIES = 5
"""To open a file of a stream, which another process may remove for the room it takes."""


class PackedClip:
    """The frames of one packed file."""

    def __init__(self, arrays: StoredArrays) -> None:
        self.arrays = arrays
        self.version = arrays.version
        self._table = read_table(arrays)

    @property
    def path(self) -> str:
        return self.arrays.path

    def frame(self, number: int) -> "PackedFrame":
        """The arrays of one frame.

        Raises:
            StorageError: If the file does not hold the frame.
        """
        return self.at(self.place(number))

    def at(self, place: int) -> "PackedFrame":
        """The arrays of the frame at a place among those of the file."""
        return PackedFrame(self, place)

    def place(self, number: int) -> int:
        """Where a frame stands among those of the file.

        Raises:
            StorageError: If the file does not hold the frame.
        """
        if number not in self._table.places:
            raise StorageError(
                f"{self.path} has no frame {number}, only {len(self._table.places)} others; "
                f"copy the file again, or {WAY_OUT}"
            )
        return self._table.places[number]

    def name(self, place: int) -> str:
        """The name that the file of a frame had."""
        return self._table.names[place]

    def array(self, member: str, place: int) -> Shaped[np.ndarray, "..."]:
        """An array of one frame, read-only, as its own file had it."""
        whole, starts = self.arrays[member], self._table.starts.get(member)
        return whole[place, ...] if starts is None else whole[starts[place] : starts[place + 1]]

    def rows(
        self, member: str, places: Int[np.ndarray, "T"], rows: Int[np.ndarray, "N"]
    ) -> Shaped[np.ndarray, "T N ..."]:
        """The same rows of some frames.

        Raises:
            IndexError: If a frame has fewer rows.
        """
        whole, starts = self.arrays[member], self._table.starts.get(member)
        if not _are_plain(rows, self.num_rows(member, places)):
            return np.stack([self.array(member, place).take(rows, 0) for place in places.tolist()])
        if starts is None:
            firsts = places * whole.shape[1]
            whole = whole.reshape(-1, *whole.shape[2:])
        else:
            firsts = np.asarray(starts)[places]
        return whole.take(firsts[:, None] + rows, 0)

    def num_rows(self, member: str, places: Int[np.ndarray, "T"]) -> Int[np.ndarray, "T"]:
        """The number of rows of an array in some frames."""
        starts = self._table.starts.get(member)
        if starts is None:
            return np.full(len(places), self.arrays.location(member).shape[1])
        return np.diff(starts)[places]


@dataclass(frozen=True)
class PackedFrame:
    """The arrays of one frame of a packed clip; reads like the file of that frame."""

    clip: PackedClip
    place: int

    @property
    def version(self) -> FrameVersion:
        return FrameVersion(self.clip.version, self.place)

    @property
    def path(self) -> str:
        """The file and the frame, for messages."""
        return f"{self.clip.path}, frame {self.clip.name(self.place)}"

    def __contains__(self, member: str) -> bool:
        return member in self.clip.arrays

    def __getitem__(self, member: str) -> Shaped[np.ndarray, "..."]:
        return self.clip.array(member, self.place)


def open_packed(path: str) -> PackedClip:
    """Open a packed file. Recent files stay open; one of a stream is fetched if it is not there.

    Raises:
        StorageError: If the file is missing or damaged, cannot be fetched, or its manifest does not
            fit its arrays.
    """
    for _ in range(_TRIES):
        try:
            return PackedClip(open_arrays(path))
        except AbsentFileError:
            if not _fetch(path):
                raise
    raise StorageError(f"{path} is fetched and removed again and again; give the stream more room")


def _fetch(path: str) -> bool:
    try:
        return fetch(Path(path))
    except RemoteError as error:
        raise StorageError(str(error)) from error
    except OSError as error:  # a worker process would pass on its words alone
        explained = explain_system_error(error)
        if explained is None:
            raise
        raise StorageError(explained) from error


def _are_plain(rows: Int[np.ndarray, "N"], counts: Int[np.ndarray, "T"]) -> bool:
    """Whether rows count from the first one and are there in all frames."""
    return not rows.size or bool(rows.min() >= 0 and rows.max() < counts.min())
