"""Mistakes with other people's data: each returns the message that docs/errors.md promises."""

from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scripts import check_dataset, prepare
from tests.gltf_files import GltfFile
from tests.preparation.moving_body import FEW, egg, write_anime, write_hdf5, write_meshes
from tests.user import User

Mistake = Callable[[User], str]


def prepares(user: User, source: str, *options: object) -> str:
    return user.sees(prepare.main, source, "data", *FEW, *options)


def has_registrations(user: User) -> Path:
    return write_hdf5(user.folder / "m.hdf5", {"50002_hips": egg()[0]}, egg()[1])


def has_meshes(user: User, vertices: np.ndarray | None = None, faces: np.ndarray | None = None):
    whole = egg(4)
    write_meshes(
        user.folder / "in/walk",
        whole[0] if vertices is None else vertices,
        whole[1] if faces is None else faces,
    )
    return user


def cut_registrations(user: User) -> str:
    has_registrations(user)
    return prepares(user.cuts("m.hdf5"), "m.hdf5")


def registrations_of_another_shape(user: User) -> str:
    write_hdf5(user.folder / "m.hdf5", {"50002_hips": egg()[0].transpose(0, 2, 1)}, egg()[1])
    return prepares(user, "m.hdf5")


def without_h5py(user: User) -> str:
    has_registrations(user)
    user.patch.setitem(__import__("sys").modules, "h5py", None)
    return prepares(user, "m.hdf5")


def cut_anime(user: User) -> str:
    write_anime(user.folder / "a.anime", *egg())
    return prepares(user.cuts("a.anime"), "a.anime")


def still_glb(user: User) -> str:
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    file.write(user.folder / "a.glb")
    return prepares(user, "a.glb")


def npz_frames(user: User, counts: tuple[int, ...], *options: object) -> str:
    vertices, faces = egg(len(counts))
    (user.folder / "in/hips").mkdir(parents=True)
    np.save(user.folder / "faces.npy", faces)
    for k, (frame, count) in enumerate(zip(vertices, counts, strict=True)):
        np.savez(user.folder / f"in/hips/hips.{k:06d}.npz", v_posed=np.resize(frame, (count, 3)))
    return prepares(user, "in", *options)


def canonical_frames(user: User) -> str:
    vertices, faces = egg(2)
    (user.folder / "in/hips").mkdir(parents=True)
    np.save(user.folder / "faces.npy", faces)
    for k, frame in enumerate(vertices):
        arrays = {"v_cano": frame, "pose": np.zeros(72), "transl": np.zeros(3)}
        np.savez(user.folder / f"in/hips/hips.{k:06d}.npz", **arrays)
    return prepares(user, "in", "--faces", "faces.npy")


def a_gap(user: User) -> str:
    return prepares(has_meshes(user).loses("in/walk/body_0008.ply"), "in")


def a_broken_frame(user: User) -> str:
    return prepares(has_meshes(user).cuts("in/walk/body_0008.ply"), "in")


def a_flat_frame(user: User) -> str:
    return prepares(has_meshes(user, egg(3)[0] * [1.0, 0.0, 0.0]), "in")


def a_cloud(user: User) -> str:
    user.writes("in/walk/0.xyz", "0 0 0\n1 1 1\n").writes("in/walk/1.xyz", "0 0 0\n1 1 1\n")
    return prepares(user, "in")


def an_open_sheet(user: User) -> str:
    corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]]] * 2, float)
    return prepares(has_meshes(user, corners, np.array([[0, 1, 2]])), "in")


def a_small_disk(user: User) -> str:
    usage = namedtuple("usage", "free")(1000)
    user.patch.setattr("shutil.disk_usage", lambda folder: usage)
    return prepares(has_meshes(user), "in")


def other_settings(user: User) -> str:
    has_meshes(user)
    prepare.main([str(word) for word in (user.folder / "in", user.folder / "data", *FEW)])
    return prepares(user, "in", "--seed", 1)


def prepared_already(user: User) -> str:
    return prepares(user.has_own_data(), "data")


def an_unknown_clip(user: User) -> str:
    return prepares(has_meshes(user).writes("train.lst", "run\n"), "in", "--lists", "train.lst")


def an_empty_list(user: User) -> str:
    return prepares(has_meshes(user).writes("train.lst", "\n"), "in", "--lists", "train.lst")


def a_faulty_data_set(user: User) -> str:
    user.has_own_data().cuts("data/balls/ball_c/pcl_seq/00000007.npz")
    return user.sees(check_dataset.main, "data")


PREPARATION: dict[str, Mistake] = {
    "a source that is not there": lambda user: prepares(user, "nowhere"),
    "a source that holds nothing known": lambda user: prepares(user.makes("in"), "in"),
    "a source that is prepared already": prepared_already,
    "an HDF5 file that ends early": cut_registrations,
    "an HDF5 file with an array of another shape": registrations_of_another_shape,
    "an HDF5 file without h5py": without_h5py,
    "an .anime whose counts do not fit its size": cut_anime,
    "a GLB without animation": still_glb,
    "frames with different numbers of vertices": lambda user: npz_frames(
        user, (162, 162, 163), "--faces", "faces.npy"
    ),
    "frames without faces": lambda user: npz_frames(user, (162, 162)),
    "frames in a canonical pose": canonical_frames,
    "a frame missing among numbered meshes": a_gap,
    "a frame that cannot be read": a_broken_frame,
    "a frame without area": a_flat_frame,
    "a frame that is a cloud": a_cloud,
    "a surface that encloses nothing": an_open_sheet,
    "a disk that is too small": a_small_disk,
    "a folder with data of other settings": other_settings,
    "two axes that are one": lambda user: prepares(
        has_meshes(user), "in", "--up", "y", "--forward", "-y"
    ),
    "an unknown unit": lambda user: prepares(has_meshes(user), "in", "--unit", "parsec"),
    "a frame rate without that of the source": lambda user: prepares(
        has_meshes(user), "in", "--fps", 30
    ),
    "a frame rate that does not divide that of the source": lambda user: prepares(
        has_meshes(user), "in", "--fps", 50, "--source-fps", 60
    ),
    "a list with an unknown clip": an_unknown_clip,
    "a list without names": an_empty_list,
    "a data set with faults": a_faulty_data_set,
}
