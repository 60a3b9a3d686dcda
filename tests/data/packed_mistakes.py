"""Mistakes with packed and streamed data: each returns the message that docs/errors.md promises."""

import shutil
from collections.abc import Callable, Sequence

import numpy as np

from im2mesh.files import remote
from im2mesh.preparation.pack_dataset import pack_dataset
from scripts import pack_dataset as pack_script
from scripts import stream
from tests.data.served import serve
from tests.readers import forget_files
from tests.user import User

CLOUDS = "data/balls/ball_c/pcl_seq.npz"


def has_packed_data(user: User) -> User:
    """The data in data/, packed."""
    user.has_own_data()
    pack_dataset(user.folder / "data", user.folder / "packed")
    shutil.rmtree(user.folder / "data")
    (user.folder / "packed").rename(user.folder / "data")
    forget_files()
    return user


def packs(user: User, out: str = "out") -> str:
    return user.sees(pack_script.main, "data", out)


def without_manifest(user: User) -> str:
    return has_packed_data(user).stores(CLOUDS, manifest=None).trains()


def changed_arrays(user: User) -> str:
    user = has_packed_data(user)
    with np.load(user.folder / CLOUDS) as arrays:
        points = arrays["points"]
    return user.stores(CLOUDS, points=2 * points).trains()


def uneven_frames(user: User) -> str:
    user.has_own_data().stores("data/balls/ball_c/pcl_seq/00000012.npz", normals=None)
    return packs(user)


def other_frames_in_the_way(user: User) -> str:
    user.has_own_data()
    pack_dataset(user.folder / "data", user.folder / "out")
    with np.load(user.folder / "data/balls/ball_c/pcl_seq/00000007.npz") as arrays:
        points = arrays["points"]
    user.stores("data/balls/ball_c/pcl_seq/00000007.npz", points=-points)
    return packs(user)


def opens_a_stream(user: User, catalogue: str | None, faults: Sequence[str] = ()) -> str:
    user.makes("served").patch.setattr(remote, "FIRST_PAUSE", 0.01)
    if catalogue is not None:
        user.writes("served/catalogue.json", catalogue)
    with serve(user.folder / "served") as server:
        server.faulty, server.faults = ".json", list(faults)
        message = user.sees(stream.main, "open", server.url, "cache")
        return message.replace(server.url, "http://server")


def trains_on_a_failing_stream(user: User) -> str:
    has_packed_data(user).patch.setattr(remote, "FIRST_PAUSE", 0.01)
    stream.main(["publish", str(user.folder / "data")])
    (user.folder / "data").rename(user.folder / "served")
    forget_files()
    with serve(user.folder / "served") as server:
        stream.main(["open", server.url, str(user.folder / "data")])
        server.faults = ["error"] * 100
        return user.trains().replace(server.url, "http://server")


def trains_on_a_stream_without_a_file(user: User) -> str:
    has_packed_data(user)
    stream.main(["publish", str(user.folder / "data")])
    (user.folder / "data").rename(user.folder / "served")
    for path in (user.folder / "served").glob("*/*/pcl_seq.npz"):
        path.unlink()
    with serve(user.folder / "served") as server:
        stream.main(["open", server.url, str(user.folder / "data")])
        return user.trains().replace(server.url, "http://server")


PACKED: dict[str, Callable[[User], str]] = {
    "a packed file cut short": lambda user: has_packed_data(user).cuts(CLOUDS).trains(),
    "a packed file without its manifest": without_manifest,
    "an array of a packed file that was replaced": changed_arrays,
    "a folder beside its packed file": lambda user: (
        has_packed_data(user).makes("data/balls/ball_c/pcl_seq").trains()
    ),
    "frames with different arrays, to be packed": uneven_frames,
    "a data set to be packed into itself": lambda user: packs(user.has_own_data(), "data/packed"),
    "packed files of other frames in the way": other_frames_in_the_way,
    "a server without a catalogue": lambda user: opens_a_stream(user, None),
    "a catalogue that is none": lambda user: opens_a_stream(user, "{}"),
    "a page in the place of a catalogue": lambda user: opens_a_stream(user, "<html>"),
    "a server that refuses": lambda user: opens_a_stream(user, "{}", ["forbidden"]),
    "an address of no kind": lambda user: user.sees(stream.main, "open", "foo://server", "cache"),
    "frames to be published that are not packed": lambda user: user.has_own_data().sees(
        stream.main, "publish", "data"
    ),
    "a server that fails": trains_on_a_failing_stream,
    "a served file that is gone": trains_on_a_stream_without_a_file,
}
