"""Mistakes with scans: each returns the message that docs/errors.md promises."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from im2mesh.data.scans import read_scan
from im2mesh.errors import UserError
from im2mesh.files.written import replacing_files
from im2mesh.runs.folder import SCAN_FILE
from tests.user import User

GOOD = np.random.default_rng(0).uniform(size=(3, 40, 3)) * (0.5, 1.8, 0.3)
"""Three clouds of a still body."""


def reads(user: User, clouds: Sequence[np.ndarray], times: str | None = None) -> str:
    """What is said of a scan with these clouds, as numbered text files."""
    (user.folder / "scan").mkdir()
    for k, cloud in enumerate(clouds):
        np.savetxt(user.folder / "scan" / f"{k:03d}.xyz", cloud)
    if times is not None:
        user.writes("times.txt", times)
    return refusal([Path("scan")], None if times is None else Path("times.txt"))


def refusal(paths: list[Path], times: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_scan(paths, times)
    return str(caught.value)


def changed(frame: int, cloud: np.ndarray) -> list[np.ndarray]:
    """The good clouds, one of them replaced."""
    return [cloud if k == frame else good for k, good in enumerate(GOOD)]


def stores(user: User, **arrays: np.ndarray) -> str:
    np.savez(user.folder / "scan.npz", **arrays)
    return refusal([Path("scan.npz")])


def without_clouds(user: User) -> str:
    user.writes("scan/readme.txt", "")
    return refusal([Path("scan")])


def mirrored(user: User) -> str:
    (user.folder / "scan").mkdir()
    for k, cloud in enumerate(GOOD):
        np.savez(user.folder / "scan" / f"{k}.npz", points=cloud, scale=-1.0)
    return refusal([Path("scan")])


def of_the_same_name(user: User) -> str:
    """The result of one scan where that of another lies."""
    for name in ("scan", "other/scan"):
        (user.folder / name).mkdir(parents=True)
        for k, cloud in enumerate(GOOD):
            np.savetxt(user.folder / name / f"{k}.xyz", cloud)
    folder = user.folder / "run" / "scans" / "scan"
    folder.mkdir(parents=True)
    with replacing_files(folder, [SCAN_FILE]) as place:
        (place / SCAN_FILE).write_text(f'{{"source": "{(user.folder / "other/scan").as_posix()}"}}')
    return user.generates("--clouds", "scan")


SCANS: dict[str, Callable[[User], str]] = {
    "a folder without clouds": without_clouds,
    "a single cloud": lambda user: reads(user, GOOD[:1]),
    "a cloud of few points": lambda user: reads(user, changed(1, GOOD[1][:5])),
    "a cloud in one place": lambda user: reads(user, changed(1, np.ones((40, 3)))),
    "a body that jumps": lambda user: reads(user, changed(2, 1000 * GOOD[2])),
    "two bodies": lambda user: reads(
        user, [np.concatenate([cloud, cloud[:30] + np.array([9, 0, 0])]) for cloud in GOOD]
    ),
    "a cloud that is mirrored": mirrored,
    "an array of another shape": lambda user: stores(user, points=GOOD[0]),
    "an .npz without points": lambda user: stores(user, vertices=GOOD),
    "times that are words": lambda user: reads(user, GOOD, "now later"),
    "too few times": lambda user: reads(user, GOOD, "0 0.1"),
    "clouds of the same name as others": of_the_same_name,
    "times that do not increase": lambda user: reads(user, GOOD, "0 0.2 0.1"),
}
