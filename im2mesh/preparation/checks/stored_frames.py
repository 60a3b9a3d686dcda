"""The frames in one folder of a clip: a file for each, or one file in which all are packed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.data.clip_files import clip_files, frame_numbers, packed_file
from im2mesh.data.layout import DataError
from im2mesh.data.manifest import MANIFEST
from im2mesh.data.packed import open_packed
from im2mesh.files.npz import locate_arrays, read_arrays


@dataclass(frozen=True)
class StoredFrame:
    """One frame in one folder of a clip.

    Attributes:
        path: Its file; of a packed frame, the file that it was before.
        number: The number in its name.
        packed: The file in which it is packed, if it is.
    """

    path: Path
    number: int
    packed: str | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def folder(self) -> str:
        return self.path.parent.name

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of the frame.

        Raises:
            NpzError: If a file is damaged, which a wrong checksum shows, too. The checksums of
                packed files are compared once for all frames, by `frames_in`.
            StorageError: If a packed file is not whole.
        """
        if self.packed is None:
            return read_arrays(self.path)
        clip = open_packed(self.packed)
        frame = clip.frame(self.number)
        return {name: frame[name] for name in clip.arrays.names() if name != MANIFEST}

    def is_compressed(self) -> bool:
        """Whether it must be unpacked as a whole for every sample. The file must be intact."""
        locations = locate_arrays(self.path if self.packed is None else self.packed)
        return any(location.offset is None for location in locations.values())


def frames_in(root: Path, category: str, clip: str, folder: str) -> list[StoredFrame]:
    """The frames of a clip in one of its folders, one for each point cloud.

    Raises:
        UserError: If a frame is missing, or if the frames are packed and their file is damaged.
    """
    place = (root, category, clip)
    packed = packed_file(*place, folder)
    if packed is not None:
        _check_packed(packed, folder)
    numbers, paths = frame_numbers(*place), clip_files(*place, folder)
    return [
        StoredFrame(Path(path), number, packed) for number, path in zip(numbers, paths, strict=True)
    ]


def bytes_of(frames: list[StoredFrame]) -> int:
    """The size of all files in which the frames lie."""
    return sum(
        Path(path).stat().st_size for path in {frame.packed or frame.path for frame in frames}
    )


def _check_packed(path: str, folder: str) -> None:
    """Compare the checksums of a packed file with its content.

    Raises:
        UserError: If they differ. Which frame it is would not help: the file must come again.
    """
    arrays = open_packed(path).arrays
    damaged = [name for name in arrays.names() if not arrays.is_intact(name)]
    if damaged:
        raise DataError(
            f"{folder} is not an intact npz file ('{damaged[0]}' of {Path(path).name} is damaged); "
            "copy it, or pack the clip again with scripts/pack_dataset.py"
        )
