"""What all frames of a clip say together: whether rows correspond, and whether the body moves on.

Only the clouds are looked at, and of these a few hundred pairs of neighbouring rows.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import UserError
from im2mesh.preparation.checks.findings import Findings
from im2mesh.preparation.checks.frame_files import read_cloud
from im2mesh.preparation.checks.stored import Cloud
from im2mesh.preparation.checks.stored_frames import StoredFrame

_PAIRS = 256
_FAR, _MOST_FAR = 0.1, 0.2
"""Neighbours so far apart (of the size of a body), as a share of the pairs, do not correspond."""
_LONGEST_STEP, _LARGEST_GROWTH = 0.5, 1.5
"""Of a body between two frames, in units of its size."""


@dataclass(frozen=True)
class _Seen:
    """What is kept of one frame."""

    name: str
    frame: NormalizationFrame
    num_rows: int
    checksum: int
    is_torn: tuple[bool, ...]  # for the neighbours of each reference


@dataclass
class OverTime:
    """The frames of a clip, one after the other.

    Attributes:
        references: Pairs of rows that are neighbours in the middle frame, and in the first one.
    """

    references: list[Int[np.ndarray, "K 2"]]
    frames: list[_Seen] = field(default_factory=list)

    @classmethod
    def of(cls, clouds: Sequence[StoredFrame]) -> "OverTime":
        """Choose pairs; frames that cannot be read give none, and are told elsewhere."""
        chosen = [_neighbours(clouds[index]) for index in (len(clouds) // 2, 0)]
        return cls([pairs for pairs in chosen if pairs is not None])

    def add(self, name: str, cloud: Cloud) -> None:
        torn = tuple(_is_torn(pairs, cloud.points) for pairs in self.references)
        checksum = zlib.crc32(np.ascontiguousarray(cloud.points).tobytes())
        self.frames.append(_Seen(name, cloud.frame, len(cloud.points), checksum, torn))

    @property
    def digest(self) -> int | None:
        """Of place and size of all frames, by which copies are known: copies may show other points
        of the same surface. None without frames."""
        frames = [(*seen.frame.loc, seen.frame.scale) for seen in self.frames]
        return zlib.crc32(np.array(frames).tobytes()) if frames else None

    def check(self, findings: Findings, corresponds: bool) -> None:
        """Note what is wrong.

        Args:
            corresponds: Whether rows are meant to correspond.
        """
        if corresponds:
            self._check_rows(findings)
        for before, after in pairwise(self.frames):
            step = float(np.linalg.norm(after.frame.loc - before.frame.loc)) / before.frame.scale
            growth = after.frame.scale / before.frame.scale
            if step > _LONGEST_STEP:
                findings.fault(
                    f"the body jumps by {step:.2g} of its size to here; cut the clip in two, or "
                    "write the frames in their order",
                    after.name,
                )
            if not 1 / _LARGEST_GROWTH < growth < _LARGEST_GROWTH:
                findings.fault(
                    f"the body grows {growth:.2g}-fold to here; write all frames in metres",
                    after.name,
                )
            if before.checksum == after.checksum:
                findings.advise("the cloud is that of the frame before", after.name)

    def _check_rows(self, findings: Findings) -> None:
        if len({seen.num_rows for seen in self.frames}) > 1:
            first = self.frames[0]
            for seen in self.frames:
                if seen.num_rows != first.num_rows:
                    findings.fault(
                        f"the cloud has {seen.num_rows} rows, the first has {first.num_rows}; rows "
                        "must correspond over all frames",
                        seen.name,
                    )
            return
        torn = [_torn_frames(self.frames, k) for k in range(len(self.references))]
        if not torn:
            return
        fewest = min(torn, key=len)
        if len(fewest) >= max(len(self.frames) - 1, 1) and len(self.frames) > 1:
            findings.advise(
                "rows of the clouds do not correspond over time; if they should, write row i for "
                "the same surface point in all frames, else set "
                "data.input_pointcloud_corresponding to false and data.num_correspondence_points "
                "to 0"
            )
            return
        for name in fewest:
            findings.fault(
                "rows do not correspond to those of the other frames; write row i for the same "
                "surface point in all frames",
                name,
            )


def _neighbours(frame: StoredFrame) -> Int[np.ndarray, "K 2"] | None:
    """Rows of a cloud and the rows next to them."""
    try:
        points = read_cloud(frame).points
    except UserError:
        return None
    rows = np.linspace(0, len(points) - 1, _PAIRS).astype(np.int64)
    if len(points) < 2:
        return None
    near = np.asarray(KDTree(points).query(points[rows], 2)[1])
    return np.stack([rows, near[:, 1]], axis=1)


def _is_torn(pairs: Int[np.ndarray, "K 2"], points: Float[np.ndarray, "N 3"]) -> bool:
    """Whether rows that are neighbours in another frame are far apart in this one."""
    if pairs.max() >= len(points):
        return True
    apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    return bool((apart > _FAR).mean() > _MOST_FAR)


def _torn_frames(frames: Sequence[_Seen], reference: int) -> list[str]:
    return [seen.name for seen in frames if seen.is_torn[reference]]
