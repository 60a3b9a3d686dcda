"""The benchmark's clips, one window long: for a first look, for depth cameras, for transfers, and
for matching.

They have names of their own, since their clips are shorter than the benchmark's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from im2mesh.synthesis.animation import BECOMING
from im2mesh.synthesis.benchmark import NAME, TEST, TRAINING, BenchmarkSettings
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.splits import TRANSFERS, Clip

_FRAMES = BECOMING + 1
_SAMPLED_PER_SPLIT = 3
_SAMPLED_SPLITS = ("test", "test_new_individual")
_BODIES_OF_A_TRANSFER = 2
_OTHERS_IN_TRAINING = 2


def _one_window() -> ClipSettings:
    return replace(TEST, frames=_FRAMES)


@dataclass(frozen=True)
class _Part:
    """Base of these data sets, which have all settings fixed."""

    kind: ClassVar[str]

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split."""
        raise NotImplementedError

    def settings_of(self, split: str) -> ClipSettings:
        """What is written of the clips of a split."""
        raise NotImplementedError

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip."""
        return {
            clip: self.settings_of(split)
            for split, clips in self.splits().items()
            for clip in clips
        }

    def content(self) -> dict[str, Any]:
        """What a data set in the same folder must have been made with."""
        return {"name": f"{self.kind} of {NAME}", **asdict(self)}

    def extent(self) -> dict[str, Any]:
        """Nothing may differ between two runs in the same folder."""
        return {}


@dataclass(frozen=True)
class BenchmarkSample(_Part):
    """A few test clips: enough to see what trained weights can do.

    The clips have the names of the benchmark's, and fewer frames.
    """

    kind = "sample"
    clip: ClipSettings = field(default_factory=_one_window)

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split, evenly spread over the motions."""
        whole = BenchmarkSettings().splits()
        return {
            split: whole[split][:: len(whole[split]) // _SAMPLED_PER_SPLIT][:_SAMPLED_PER_SPLIT]
            for split in _SAMPLED_SPLITS
        }

    def settings_of(self, split: str) -> ClipSettings:
        return self.clip


def _seen_by_two(settings: ClipSettings) -> ClipSettings:
    return replace(settings, frames=_FRAMES, depth_views=2)


@dataclass(frozen=True)
class DepthSettings(_Part):
    """The clips of the benchmark, which two depth cameras see, one in front and one behind."""

    kind = "depth"
    training: ClipSettings = field(default_factory=lambda: _seen_by_two(TRAINING))
    test: ClipSettings = field(default_factory=lambda: _seen_by_two(TEST))

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split; the ten bodies are left out."""
        splits = BenchmarkSettings().splits()
        return {name: clips for name, clips in splits.items() if name != "test_ten_bodies"}

    def settings_of(self, split: str) -> ClipSettings:
        """Tests have many points."""
        return self.training if split in ("train", "val") else self.test


@dataclass(frozen=True)
class TransferSettings(_Part):
    """Each test clip of the benchmark, and two people who never train moving in its manner.

    So it is known how another body performs the motion of a clip, from its first pose on.
    """

    kind = "transfers"
    clip: ClipSettings = field(default_factory=_one_window)

    def splits(self) -> dict[str, list[Clip]]:
        """test, the clips whose motion is transferred, and transfers, the truth."""
        whole = BenchmarkSettings().splits()
        motions = whole["test"]
        people = _people(whole["test_new_individual"])
        transfers = [
            Clip(people[(number + turn) % len(people)], clip.motion, manner_of=clip.body)
            for number, clip in enumerate(motions)
            for turn in range(_BODIES_OF_A_TRANSFER)
        ]
        return {"test": motions, TRANSFERS: transfers}

    def settings_of(self, split: str) -> ClipSettings:
        return self.clip


@dataclass(frozen=True)
class MatchingSettings(_Part):
    """The clips of the benchmark, in which each body becomes another while it moves.

    All bodies have the same triangles, and a row of their vertices is the same place of each. So a
    clip whose first frame shows one person, and whose last another, knows how the two correspond.
    """

    kind = "matching"
    training: ClipSettings = field(
        default_factory=lambda: replace(
            TRAINING, frames=_FRAMES, occupancy_points=1000, near_surface_points=0
        )
    )
    test: ClipSettings = field(default_factory=lambda: replace(_one_window(), meshes=True))

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split: in train each once more, into a second person. Who trains becomes such a
        person, strangers become strangers."""
        whole = BenchmarkSettings().splits()
        seen, strangers = _people(whole["train"]), _people(whole["test_new_individual"])
        others = {"train": (seen, _OTHERS_IN_TRAINING), "val": (seen, 1), "test": (seen, 1)}
        others["test_new_individual"] = (strangers, 1)
        return {
            split: [
                _becoming(clip, people, turn + count * number)
                for number, clip in enumerate(whole[split])
                for turn in range(count)
            ]
            for split, (people, count) in others.items()
        }

    def settings_of(self, split: str) -> ClipSettings:
        """Tests have meshes and many points."""
        return self.training if split in ("train", "val") else self.test


def _people(clips: Sequence[Clip]) -> list[int]:
    return sorted({clip.body for clip in clips})


def _becoming(clip: Clip, people: Sequence[int], number: int) -> Clip:
    """The clip of a body that becomes another one of these people; the next number, the next."""
    step = 1 + number % (len(people) - 1)  # never to itself
    return replace(clip, becomes=people[(people.index(clip.body) + step) % len(people)])
