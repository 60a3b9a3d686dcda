"""The benchmark bodies-1: many different people, motions that travel, and four kinds of test.

Its name and version promise that the same files are meant wherever a number is told for it. What
changes a file is another version.
"""

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.errors import Advice, UserError
from im2mesh.files.hashes import DIGITS
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION
from im2mesh.synthesis.plan import CATEGORY, DatasetSettings
from im2mesh.synthesis.shape_space import FIRST_OF_SPACE
from im2mesh.synthesis.splits import Clip

NAME = "bodies-1"
FINGERPRINT = "9ba147e562a6427a"
"""Of the data that published numbers were measured on; see `fingerprint`."""
SPLITS = ("train", "val", "test", "test_new_individual", "test_ten_bodies")
_HOW_TO_MAKE = "run: python scripts/make_bodies.py OUT --benchmark"
_MOTIONS = tuple(EVERY_MOTION)
_NUM_UNSEEN = 5  # bodies, the first of the shape space, which are of five different kinds
_MOTIONS_OF_A_BODY = 4
_APART = 5  # motions of one body are so many places apart in the list, so they differ in kind
_NUM_VAL = 7
TRAINING = ClipSettings(
    frames=50,
    surface_points=6000,
    occupancy_points=8000,
    near_surface_points=5000,
    meshes=False,
)
TEST = ClipSettings(frames=50, surface_points=40000, occupancy_points=40000, meshes=False)
_TEN_BODIES = DatasetSettings()
_TEN_BODIES_FRAMES = 60  # as make_bodies.py makes them, so that windows are the same


@dataclass(frozen=True)
class BenchmarkSettings:
    """The settings of bodies-1. Only tests make smaller ones, which are not the benchmark.

    seen_bodies people train, each with some of the motions, so that every motion occurs equally
    often if their number is a multiple of that of the motions.
    """

    name: str = NAME
    seen_bodies: int = 5 * len(_MOTIONS)
    training: ClipSettings = field(default_factory=lambda: TRAINING)
    test: ClipSettings = field(default_factory=lambda: TEST)
    ten_bodies_frames: int = _TEN_BODIES_FRAMES

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split; no clip is in two of them.

        Returns:
            train and val; test, with people of train in motions that these people never train;
            test_new_individual, with people who never train; and test_ten_bodies, the test clips
            of the ten baked bodies.
        """
        test = self._test_clips()
        rest = [clip for clip in self._seen_clips() if clip not in set(test)]
        val = rest[:: max(1, len(rest) // _NUM_VAL)][:_NUM_VAL]
        ten = _TEN_BODIES.splits()
        return {
            "train": [clip for clip in rest if clip not in set(val)],
            "val": val,
            "test": test,
            "test_new_individual": _unseen_clips(),
            "test_ten_bodies": ten["test"] + ten["test_new_individual"],
        }

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip: many points for tests, fewer for training."""
        ten_bodies = replace(self.test, frames=self.ten_bodies_frames)
        kinds = {"train": self.training, "val": self.training, "test_ten_bodies": ten_bodies}
        return {
            clip: kinds.get(name, self.test)
            for name, clips in self.splits().items()
            for clip in clips
        }

    def content(self) -> dict[str, Any]:
        return asdict(self)

    def extent(self) -> dict[str, Any]:
        return {}

    def _seen_clips(self) -> list[Clip]:
        first = FIRST_OF_SPACE + _NUM_UNSEEN
        return [
            Clip(first + person, _MOTIONS[(person + _APART * turn) % len(_MOTIONS)])
            for person in range(self.seen_bodies)
            for turn in range(_MOTIONS_OF_A_BODY)
        ]

    def _test_clips(self) -> list[Clip]:
        """The first clip of every fifth person: each motion once, by people of all kinds."""
        return self._seen_clips()[:: 5 * _MOTIONS_OF_A_BODY]


def benchmark_with_images() -> BenchmarkSettings:
    """The same clips, each frame also drawn from four sides. Drivers draw edges otherwise, so its
    fingerprint is not published."""
    drawn = {"views": 4, "image_size": 112}
    return BenchmarkSettings(
        name=f"{NAME}-images",
        training=replace(TRAINING, **drawn),
        test=replace(TEST, **drawn),
    )


def _unseen_clips() -> list[Clip]:
    """Every motion once, dealt out to the people who never train."""
    return [
        Clip(FIRST_OF_SPACE + number % _NUM_UNSEEN, motion)
        for number, motion in enumerate(_MOTIONS)
    ]


def fingerprint(root: Path) -> str:
    """A hash of a benchmark's settings and of a fixed part of its content, to tell it by.

    Of each clip count the names and sizes of all files, and the content of the first and the last
    frame. The result does not depend on where the data lies, nor on the number of workers.

    Raises:
        UserError: If root holds no whole benchmark.
    """
    description = root / "dataset.json"
    try:
        settings = json.loads(description.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{description} cannot be read ({error}); {_HOW_TO_MAKE}") from error
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for split in SPLITS:
        for clip in _names(root / CATEGORY / f"{split}.lst"):
            digest.update(f"{split} {clip} {clip_fingerprint(root, CATEGORY, clip)}\n".encode())
    return digest.hexdigest()[:DIGITS]


def tell_fingerprint(root: Path) -> str:
    """The fingerprint of a benchmark; a warning if published numbers have another."""
    found = fingerprint(root)
    name = json.loads((root / "dataset.json").read_text("utf-8")).get("name")
    if name == NAME and found != FINGERPRINT:
        warnings.warn(
            f"{root} has the fingerprint {found}, and published numbers were measured on "
            f"{FINGERPRINT}; either this processor rounds differently, or the program has changed, "
            "so say which data yours are from",
            Advice,
            stacklevel=2,
        )
    return found


def _names(split_file: Path) -> list[str]:
    """Clips of a split; the file is written last, so that its clips are whole."""
    if not split_file.is_file():
        raise UserError(f"{split_file} is missing; {_HOW_TO_MAKE}")
    return split_file.read_text("utf-8").split()
