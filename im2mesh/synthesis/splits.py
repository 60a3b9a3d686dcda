"""Assignment of clips to splits, which are of the same kind as those of D-FAUST."""

import re
from dataclasses import dataclass

import numpy as np

from im2mesh.errors import UserError

TRANSFERS = "transfers"
"""Split of clips that have the manner of another body."""
_NAME = re.compile("([0-9]+)_(.+?)(?:_as_([0-9]+))?(?:_into_([0-9]+))?")
_VAL_SHARE = 0.05  # share of the clips of seen bodies
_OVERFIT_MOTION = "one_leg_jump"  # as in the authors' overfit split


@dataclass(frozen=True)
class Clip:
    """One body performing one motion.

    Attributes:
        body: Number of the body; see `find_body`.
        motion: Name of the motion.
        manner_of: Number of the body whose manner of performing the motion it has; None for its
            own.
        becomes: Number of the body that it turns into on the way; None if it stays itself.
    """

    body: int
    motion: str
    manner_of: int | None = None
    becomes: int | None = None

    @property
    def name(self) -> str:
        """Folder name: 00_punching, 100_punching_as_135 with the manner of another, or
        100_punching_into_135 of one who becomes another; people of the shape space have three
        digits."""
        of = "" if self.manner_of is None else f"_as_{self.manner_of:02d}"
        into = "" if self.becomes is None else f"_into_{self.becomes:02d}"
        return f"{self.body:02d}_{self.motion}{of}{into}"

    @staticmethod
    def named(name: str) -> "Clip":
        """The clip of a folder name.

        Raises:
            ValueError: If it is no name of a clip.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"{name} is no clip of synthetic bodies, such as 00_punching")
        body, motion, *others = found.groups()
        clip = Clip(int(body), motion, *(None if other is None else int(other) for other in others))
        if clip.name != name:
            raise ValueError(f"{name} is no clip of synthetic bodies; {clip.name} would be one")
        return clip


def split_clips(num_bodies: int, motions: tuple[str, ...]) -> dict[str, list[Clip]]:
    """Hold out the last body entirely, and one motion of each other body.

    Returns:
        Clips by split: train, val, test (unseen motions of seen bodies) and test_new_individual
        share no clip; train_generative is all but val, overfit one clip of train.

    Raises:
        UserError: If a split would be empty.
    """
    if num_bodies < 2:
        raise UserError(
            f"bodies must be at least 2, got {num_bodies}: the last body is kept for "
            "test_new_individual, so train would be empty"
        )
    num_seen = num_bodies - 1
    if len(motions) < 2 or (len(motions) == 2 and num_seen == 1):
        raise UserError(
            f"{num_bodies} bodies with {len(motions)} motion(s) leave train empty: every body but "
            "the last gives one motion to test, and at least one of them another to val; use at "
            "least 3 motions, or 2 motions and 3 bodies"
        )
    test = [Clip(body, motions[_held_out(body, num_seen, motions)]) for body in range(num_seen)]
    val = _choose_val(num_seen, motions)
    unseen = [Clip(num_seen, motion) for motion in motions]
    everything = [Clip(body, motion) for body in range(num_bodies) for motion in motions]
    train = [clip for clip in everything if clip not in {*test, *val, *unseen}]
    return {
        "train": train,
        "val": val,
        "test": test,
        "test_new_individual": unseen,
        "train_generative": [clip for clip in everything if clip not in val],
        "overfit": [next((clip for clip in train if clip.motion == _OVERFIT_MOTION), train[0])],
    }


def _held_out(body: int, num_seen: int, motions: tuple[str, ...]) -> int:
    """Index of the motion that a body gives to test, spread evenly over the motions."""
    return (body * max(len(motions), num_seen) // num_seen) % len(motions)


def _choose_val(num_seen: int, motions: tuple[str, ...]) -> list[Clip]:
    """A few clips of different bodies, with motions far from those held out for test."""
    wanted = max(1, round(_VAL_SHARE * num_seen * len(motions)))
    most = num_seen if len(motions) > 2 else num_seen - 1
    bodies = np.linspace(0, num_seen - 1, min(wanted, most)).astype(int).tolist()
    apart = len(motions) // 2
    return [
        Clip(body, motions[(_held_out(body, num_seen, motions) + apart) % len(motions)])
        for body in bodies
    ]
