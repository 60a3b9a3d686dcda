"""The data set for the transfer of motion: clips, and the same motions on other bodies."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from im2mesh.synthesis.benchmark import NAME, BenchmarkSettings
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.splits import TRANSFERS, Clip

_FRAMES = 17
_BODIES_OF_A_MOTION = 2


@dataclass(frozen=True)
class TransferSettings:
    """Each test clip of the benchmark, and two people who never train moving in its manner.

    So the motion of a clip on another body is known exactly, from its first pose on.
    """

    clip: ClipSettings = field(
        default_factory=lambda: replace(BenchmarkSettings().test, frames=_FRAMES)
    )

    def splits(self) -> dict[str, list[Clip]]:
        """test, the clips whose motion is transferred, and transfers, the truth."""
        whole = BenchmarkSettings().splits()
        motions = whole["test"]
        people = sorted({clip.body for clip in whole["test_new_individual"]})
        transfers = [
            Clip(people[(number + turn) % len(people)], clip.motion, manner_of=clip.body)
            for number, clip in enumerate(motions)
            for turn in range(_BODIES_OF_A_MOTION)
        ]
        return {"test": motions, TRANSFERS: transfers}

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip."""
        return {clip: self.clip for clips in self.splits().values() for clip in clips}

    def content(self) -> dict[str, Any]:
        return {"name": f"transfers of {NAME}", **asdict(self)}

    def extent(self) -> dict[str, Any]:
        return {}
