"""Mistakes with the live viewer: each returns the message that docs/errors.md promises."""

import io
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from im2mesh.build import load_trained
from im2mesh.errors import UserError
from im2mesh.machine.devices import build_device
from im2mesh.studies.viewer import drops
from im2mesh.studies.viewer.clouds import Clouds
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.live_model import LiveModel
from im2mesh.visualization.viewer.question import Question, Sent
from scripts import view
from tests.user import User

BODY = np.random.default_rng(0).uniform(size=(5, 40, 3)) * (0.5, 1.8, 0.3)
"""Five clouds in which row n is another point every time."""


def in_use(user: User) -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        user.has_own_data()
        return user.sees(view.main, "data", "--port", taken.getsockname()[1])


def asks(user: User, clouds: np.ndarray, threshold: float = 0.5, **changes: object) -> str:
    """What the model of the finished run says of clouds; `changes` are of its section data."""
    np.savez(user.folder / "walk.npz", points=clouds)
    return _asks_of(user, "walk.npz", threshold, **changes)


def with_gap(user: User) -> str:
    (user.folder / "walk").mkdir()
    for number, cloud in zip((0, 1, 2, 3, 9), tracked(), strict=True):
        np.savetxt(user.folder / "walk" / f"{number}.xyz", cloud)
    return _asks_of(user, "walk", 0.5)


def drops_much(user: User) -> str:
    user.patch.setattr(drops, "MOST_BYTES", 2**20)
    desk, sent = Desk([], lambda source: None), Sent(io.BytesIO(), 2**20 + 1)
    with pytest.raises(UserError) as caught:
        desk.drop(Question({"name": "a.ply", "batch": "1"}, sent))
    desk.close()
    return str(caught.value)


def _asks_of(user: User, name: str, threshold: float, **changes: object) -> str:
    file = user.finished_run / "model_best.pt"
    config, generator = load_trained(file, build_device("cpu"))
    data = config.data.model_copy(update=changes)
    model = LiveModel("model_best", config.model_copy(update={"data": data}), generator)
    desk = Desk([Clouds((Path(name),), name)], lambda source: model)
    return _refused(desk, threshold)


def without_weights(user: User) -> str:
    np.savez(user.folder / "walk.npz", points=BODY)
    return _refused(Desk([Clouds((Path("walk.npz"),), "walk.npz")], lambda source: None), 0.5)


def _refused(desk: Desk, threshold: float) -> str:
    values = {"item": "0", "span": "0", "grid": "16", "threshold": str(threshold)}
    with pytest.raises(UserError) as caught:
        desk.reconstruct(Question(values))
    return str(caught.value)


def tracked(count: int = 5) -> np.ndarray:
    return np.stack([BODY[0] + 0.01 * k for k in range(count)])


VIEWER: dict[str, Callable[[User], str]] = {
    "a folder to look at that is not there": lambda user: user.sees(view.main, "nowhere"),
    "an empty folder": lambda user: user.makes("empty").sees(view.main, "empty"),
    "a folder of something else": lambda user: user.writes("notes/a.txt", "").sees(
        view.main, "notes"
    ),
    "a port that is in use": in_use,
    "a port that does not exist": lambda user: user.has_own_data().sees(
        view.main, "data", "--port", 70000
    ),
    "a cloud without weights": without_weights,
    "a cloud for weights that observe images": lambda user: asks(user, BODY, input="images"),
    "a cloud without tracked points for weights that need them": lambda user: asks(user, BODY),
    "too few frames for these weights": lambda user: asks(user, tracked(3)),
    "fewer frames than these weights see": lambda user: asks(user, tracked(3), num_input_frames=4),
    "a gap in time for weights that see no times": with_gap,
    "a threshold that is nowhere reached": lambda user: asks(user, tracked(), 0.98),
    "dropped files that are too large": drops_much,
    "a file that is no cloud": lambda user: user.writes("a.xyz", "hello\n").sees(
        view.main, "a.xyz"
    ),
}
