"""A few test clips of the benchmark, one window long: enough to see what trained weights can do."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from im2mesh.synthesis.benchmark import NAME, TEST, BenchmarkSettings
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.splits import Clip

_FRAMES = 17
_CLIPS_PER_SPLIT = 3
_SPLITS = ("test", "test_new_individual")


@dataclass(frozen=True)
class BenchmarkSample:
    """The settings of the sample. Its clips have the names of the benchmark's, and fewer frames."""

    clip: ClipSettings = field(default_factory=lambda: replace(TEST, frames=_FRAMES))

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split, evenly spread over the motions."""
        whole = BenchmarkSettings().splits()
        return {
            split: whole[split][:: len(whole[split]) // _CLIPS_PER_SPLIT][:_CLIPS_PER_SPLIT]
            for split in _SPLITS
        }

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip."""
        return {clip: self.clip for clips in self.splits().values() for clip in clips}

    def content(self) -> dict[str, Any]:
        return {"name": f"sample of {NAME}", **asdict(self)}

    def extent(self) -> dict[str, Any]:
        return {}
