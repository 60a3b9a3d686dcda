"""What a data set of synthetic bodies consists of: its clips, their splits and their settings."""

import difflib
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from im2mesh.errors import UserError
from im2mesh.synthesis.body import count_bodies
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.motions.repertoire import MOTIONS
from im2mesh.synthesis.splits import Clip, split_clips

CATEGORY = "bodies"
"""Name of the folder of the clips."""
MESH_CHOICES = ("all", "held-out", "none")
CONTENT_VERSION = 1  # to be raised whenever the same settings give other files


@runtime_checkable
class Plan(Protocol):
    """A data set to be made: which clips it has, and what is written of each."""

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split."""
        ...

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip, for all clips of all splits."""
        ...

    def content(self) -> dict[str, Any]:
        """What a data set in the same folder must have been made with."""
        ...

    def extent(self) -> dict[str, Any]:
        """What may differ between two runs in the same folder: the second adds clips."""
        ...


@dataclass(frozen=True)
class DatasetSettings:
    """The settings of a data set. Motion and points of a clip do not depend on the other clips."""

    bodies: int = 10
    motions: tuple[str, ...] = tuple(MOTIONS)
    clip: ClipSettings = field(default_factory=ClipSettings)
    meshes: str = "all"
    """Clips with a folder mesh_seq, by far the largest part of the data: one of MESH_CHOICES."""

    def __post_init__(self) -> None:
        if self.bodies > count_bodies():
            raise UserError(
                f"bodies must be within 2 to {count_bodies()}, the number of baked bodies, "
                f"got {self.bodies}"
            )
        if self.meshes not in MESH_CHOICES:
            raise UserError(f"meshes is {self.meshes}; choose one of: {', '.join(MESH_CHOICES)}")
        for motion in self.motions:
            _check_motion(motion)
        if len(set(self.motions)) < len(self.motions):
            raise UserError(f"motions must differ from each other, got {' '.join(self.motions)}")

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split."""
        return split_clips(self.bodies, self.motions)

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip: the test clips may have meshes where others have none."""
        splits = self.splits()
        held_out = {*splits["test"], *splits["test_new_individual"]}
        return {
            clip: replace(self.clip, meshes=self._has_meshes(clip in held_out))
            for clips in splits.values()
            for clip in clips
        }

    def _has_meshes(self, is_held_out: bool) -> bool:
        return self.meshes == "all" or (self.meshes == "held-out" and is_held_out)

    def content(self) -> dict[str, Any]:
        return {"content_version": CONTENT_VERSION, **asdict(self.clip), "meshes": self.meshes}

    def extent(self) -> dict[str, Any]:
        return {"bodies": self.bodies, "motions": list(self.motions)}


def _check_motion(motion: str) -> None:
    if motion not in MOTIONS:
        near = difflib.get_close_matches(motion, MOTIONS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"unknown motion '{motion}'; {hint}choose from: {', '.join(MOTIONS)}")
