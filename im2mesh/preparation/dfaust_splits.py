"""The split of D-FAUST that Occupancy Flow introduced and that later papers use."""

from collections.abc import Iterable

_UNSEEN_SUBJECT = "50021"
_TEST = (
    "50002_light_hopping_loose", "50004_punching", "50007_shake_shoulders", "50009_chicken_wings",
    "50020_chicken_wings", "50022_light_hopping_loose", "50025_light_hopping_loose",
    "50026_shake_arms", "50027_shake_shoulders",
)  # fmt: skip
_VAL = (
    "50004_chicken_wings", "50020_hips", "50025_shake_arms", "50020_running_on_spot",
    "50007_light_hopping_loose",
)  # fmt: skip
_OVERFIT = ("50026_one_leg_jump",)


def dfaust_splits(names: Iterable[str]) -> dict[str, list[str]]:
    """Divide clips named <subject>_<motion>.

    One subject is held out entirely, and one motion of each other subject; train_generative is all
    but val. Splits that would be empty are left out, as where one of the two files is missing.

    Example:
        >>> splits = dfaust_splits(["50021_hips", "50002_hips", "50004_punching"])
        >>> splits["train"], splits["test"], splits["test_new_individual"]
        (['50002_hips'], ['50004_punching'], ['50021_hips'])
    """
    clips = sorted(names)
    unseen = [name for name in clips if name.partition("_")[0] == _UNSEEN_SUBJECT]
    held_out = {*unseen, *_TEST, *_VAL}
    splits = {
        "train": [name for name in clips if name not in held_out],
        "val": [name for name in clips if name in _VAL],
        "test": [name for name in clips if name in _TEST],
        "test_new_individual": unseen,
        "train_generative": [name for name in clips if name not in _VAL],
        "overfit": [name for name in clips if name in _OVERFIT],
    }
    return {name: members for name, members in splits.items() if members}
