"""Sources of every kind become clips that the reader understands, whole and again after a stop."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from im2mesh.command_line import exit_status
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.data.windows import read_split
from im2mesh.errors import Advice, UserError
from im2mesh.files.atomic import write_npz
from im2mesh.meshing.containment import winding_numbers
from im2mesh.preparation.sources.animated_files import gltf_files
from im2mesh.preparation.sources.deforming_things import anime_files
from im2mesh.preparation.sources.dfaust import hdf5_files
from scripts import prepare
from tests.preparation.moving_body import (
    FEW,
    egg,
    person,
    write_anime,
    write_hdf5,
    write_meshes,
    write_swinging,
)


def run(*arguments: object) -> None:
    prepare.main([str(argument) for argument in arguments])


def stored(root: Path, category: str, clip: str) -> StoredWindow:
    count = len(frame_numbers(root, category, clip))
    return StoredWindow(root, Window(category, clip, 0, count))


def in_world(window: StoredWindow, points: np.ndarray) -> np.ndarray:
    return window.frame.to_world(points.astype(np.float64))


def assert_holds(window: StoredWindow, vertices: np.ndarray, faces: np.ndarray) -> None:
    """The clip shows this body: its surface, its labels, its meshes, and rows that correspond."""
    size = float(np.ptp(vertices[0], axis=0).max())
    for k, frame in enumerate(vertices):
        surface = window.surface_points(k)
        assert surface.normals is not None
        points = in_world(window, surface.points)
        behind, before = (points + side * 0.01 * size * surface.normals for side in (-1, 1))
        assert (winding_numbers(behind, frame, faces) > 0.5).mean() > 0.97
        assert (winding_numbers(before, frame, faces) < 0.5).mean() > 0.97
        labelled = window.labelled_points(k)
        inside = winding_numbers(in_world(window, labelled.points), frame, faces) > 0.5
        assert (inside == labelled.occupancy).mean() > 0.99 and inside.any()
        mesh = window.mesh(k)
        assert mesh is not None
        np.testing.assert_allclose(in_world(window, mesh.vertices), frame, atol=1e-5 * size)
    rows = in_world(window, window.trajectories(np.arange(100)))
    first, last = vertices[0][faces].mean(1), vertices[-1][faces].mean(1)
    near = np.linalg.norm(rows[0][:, None] - first, axis=-1).argmin(1)
    assert np.abs(rows[-1] - rows[0] - (last - first)[near]).max() < 0.05 * size


def test_registrations_of_dfaust(tmp_path: Path):
    vertices, faces = person()
    names = ("50002_hips", "50004_punching", "50020_hips", "50021_hips", "50026_one_leg_jump")
    write_hdf5(tmp_path / "in.hdf5", dict.fromkeys(names, vertices), faces)
    run(tmp_path / "in.hdf5", tmp_path / "data", *FEW, "--normalise", "frame")
    splits = {p.stem: p.read_text().split() for p in (tmp_path / "data/D-FAUST").glob("*.lst")}
    assert splits == {
        "train": ["50002_hips", "50026_one_leg_jump"],
        "val": ["50020_hips"],
        "test": ["50004_punching"],
        "test_new_individual": ["50021_hips"],
        "train_generative": [name for name in names if name != "50020_hips"],
        "overfit": ["50026_one_leg_jump"],
    }
    assert_holds(stored(tmp_path / "data", "D-FAUST", "50002_hips"), vertices, faces)


def test_the_second_file_of_dfaust_joins_the_first(tmp_path: Path):
    vertices, faces = egg(2)
    for sex, name in (("m", "50002_hips"), ("f", "50004_hips")):
        write_hdf5(tmp_path / f"registrations_{sex}.hdf5", {name: vertices}, faces)
        run(tmp_path / f"registrations_{sex}.hdf5", tmp_path / "data", *FEW)
    assert read_split(tmp_path / "data/D-FAUST", "train") == ["50002_hips", "50004_hips"]


def test_animals_with_the_lists_of_a_paper(tmp_path: Path):
    vertices, faces = egg()
    for name in ("bear_walk", "bear_run", "fox_walk"):
        write_anime(tmp_path / f"animals/{name}/{name}.anime", vertices, faces)
    (tmp_path / "train.lst").write_text("bear_walk\n\n")
    (tmp_path / "unseen.txt").write_text("animals/fox_walk/fox_walk.anime\n")
    lists = tmp_path / "train.lst", tmp_path / "unseen.txt"
    run(tmp_path / "animals", tmp_path / "data", *FEW, "--lists", *lists)
    folder = tmp_path / "data/DeformingThings4D"
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["bear_walk", "fox_walk"]
    assert read_split(folder, "unseen") == ["fox_walk"]
    assert_holds(stored(tmp_path / "data", folder.name, "bear_walk"), vertices, faces)


@pytest.mark.parametrize("ending", ["ply", "obj", "off", "glb", "stl"])
def test_numbered_meshes(tmp_path: Path, ending: str):
    vertices, faces = egg(3)
    write_meshes(tmp_path / "in/walk", vertices, faces, ending)
    run(tmp_path / "in", tmp_path / "data", *FEW)
    assert frame_numbers(tmp_path / "data", "meshes", "walk") == (7, 8, 9)
    window = stored(tmp_path / "data", "meshes", "walk")
    assert read_note(window)["corresponds"]
    if ending != "stl":  # which names its vertices in another order
        assert_holds(window, vertices, faces)


def read_note(window: StoredWindow) -> dict:
    return json.loads((window.clip_folder / "complete.json").read_text())


def test_vertices_of_cape_and_faces_of_their_template(tmp_path: Path):
    vertices, faces = egg(3)
    folder = tmp_path / "sequences/00032/shortlong_hips"
    folder.mkdir(parents=True)
    for k, frame in enumerate(vertices):
        arrays = {"v_posed": frame, "v_cano": vertices[0], "pose": np.zeros(72)}
        arrays["transl"] = np.array([1.0, 2.0, 3.0]) * k  # which v_posed has in it already
        np.savez(folder / f"shortlong_hips.{k + 1:06d}.npz", **arrays)
    np.save(tmp_path / "faces.npy", faces)
    run(tmp_path / "sequences", tmp_path / "data", *FEW, "--faces", tmp_path / "faces.npy")
    window = stored(tmp_path / "data", "CAPE", "00032_shortlong_hips")
    assert_holds(window, vertices, faces)


@pytest.mark.parametrize(
    ("find", "name"), [(gltf_files, "a.glb"), (anime_files, "a.anime"), (hdf5_files, "a.hdf5")]
)
def test_hidden_files_are_no_sources(tmp_path: Path, find: Callable, name: str):
    """Such as those that an archive of another system leaves beside each file."""
    for path in (name, f"._{name}", f".Trashes/{name}"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    assert find(tmp_path) == [tmp_path / name]


def test_animated_files_are_sampled_at_the_wanted_rate(tmp_path: Path):
    vertices, faces = egg(1)
    write_swinging(tmp_path / "walker.glb", vertices[0], faces)
    run(tmp_path / "walker.glb", tmp_path / "data", *FEW, "--fps", "4")
    turns = [Rotation.from_rotvec([0, 0, k / 4]) for k in range(5)]
    moved = np.array([turn.apply(vertices[0]) for turn in turns])
    assert_holds(stored(tmp_path / "data", "animations", "walker"), moved, faces)


def test_axes_units_and_frame_rate(tmp_path: Path):
    vertices, faces = egg(5)
    as_blender = 1000 * vertices[..., [0, 2, 1]] * [1, -1, 1]  # z up, -y forward, millimetres
    write_meshes(tmp_path / "in", as_blender, faces)
    run(
        tmp_path / "in", tmp_path / "data", *FEW, "--up", "z", "--forward", "-y", "--unit", "mm",
        "--fps", "30", "--source-fps", "60",
    )  # fmt: skip
    assert frame_numbers(tmp_path / "data", "meshes", "in") == (7, 9, 11)
    assert_holds(stored(tmp_path / "data", "meshes", "in"), vertices[::2], faces)


def test_one_normalisation_for_a_clip(tmp_path: Path):
    vertices, faces = egg()
    write_meshes(tmp_path / "in", vertices, faces)
    run(tmp_path / "in", tmp_path / "data", *FEW, "--normalise", "clip")
    files = sorted((tmp_path / "data/meshes/in/pcl_seq").iterdir())
    frames = [(np.load(file)["loc"].tolist(), float(np.load(file)["scale"])) for file in files]
    corners = vertices.reshape(-1, 3)
    assert frames == [frames[0]] * 4
    assert frames[0][1] == pytest.approx(np.ptp(corners, axis=0).max(), abs=1e-6)
    assert_holds(stored(tmp_path / "data", "meshes", "in"), vertices, faces)


def test_a_topology_that_changes_gives_clouds_without_correspondence(tmp_path: Path):
    vertices, faces = egg(3)
    write_meshes(tmp_path / "in", vertices, faces)
    write_meshes(tmp_path / "other", vertices[1:2, :, :], faces[::-1])
    (tmp_path / "other/body_0007.ply").replace(tmp_path / "in/body_0008.ply")
    with pytest.warns(Advice, match=r"body_0008.ply has other triangles than .*body_0007.ply"):
        run(tmp_path / "in", tmp_path / "data", *FEW)
    window = stored(tmp_path / "data", "meshes", "in")
    assert not read_note(window)["corresponds"]
    moved = np.abs(window.surface_points(0).points - window.surface_points(2).points)
    assert np.median(moved.max(1)) > 0.1


def test_a_surface_with_a_hole_is_labelled_and_told(tmp_path: Path):
    vertices, faces = egg(3)
    write_meshes(tmp_path / "in", vertices, faces[5:])
    with pytest.warns(Advice, match="3 frames of 1 clips are not watertight: in; .*winding number"):
        run(tmp_path / "in", tmp_path / "data", *FEW)
    assert stored(tmp_path / "data", "meshes", "in").labelled_points(0).occupancy.any()


def test_overlaps_are_inside_and_fins_are_told(tmp_path: Path):
    """Bodies that intersect themselves, and edges with three faces."""
    vertices, faces = egg(2)
    middle = vertices[0].mean(0)
    two = np.concatenate([vertices, vertices + np.array([0.2, 0, 0])], axis=1)
    both = np.concatenate([faces, faces + len(vertices[0])])
    write_meshes(tmp_path / "in/two", two, both)
    fin = np.concatenate([vertices, vertices[:, :1] * 1.1], axis=1)
    write_meshes(tmp_path / "in/fin", fin, np.concatenate([faces, [[0, 1, len(vertices[0])]]]))
    with pytest.warns(Advice, match="2 frames of 1 clips are not watertight: fin"):
        run(tmp_path / "in", tmp_path / "data", *FEW)
    window = stored(tmp_path / "data", "meshes", "two")
    labelled = window.labelled_points(0)
    points = in_world(window, labelled.points)
    overlap = winding_numbers(points, two[0], both) > 1.5
    assert overlap.sum() > 5 and labelled.occupancy[overlap].all()
    assert np.linalg.norm(points[overlap] - middle - np.array([0.1, 0, 0]), axis=1).max() < 0.8


def test_faces_that_look_inwards_are_turned(tmp_path: Path):
    vertices, faces = egg(3)
    write_meshes(tmp_path / "in", vertices, faces[:, ::-1])
    with pytest.warns(Advice, match="is inside out and was turned"):
        run(tmp_path / "in", tmp_path / "data", *FEW)
    assert_holds(stored(tmp_path / "data", "meshes", "in"), vertices, faces)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".written_by_im2mesh.json"
    }


def test_workers_and_a_stop_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk in the middle: what is finished stays, and the same command goes on."""
    vertices, faces = egg()
    for name in ("a", "b"):
        write_meshes(tmp_path / "in" / name, vertices, faces)
    run(tmp_path / "in", tmp_path / "two", *FEW, "--workers", "2")
    written = []

    def write(path: Path, **members: np.ndarray) -> None:
        if len(written) == 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        write_npz(path, **members)

    with monkeypatch.context() as patch:
        patch.setattr("im2mesh.data.frame_files.write_npz", write)
        arguments = [str(word) for word in (tmp_path / "in", tmp_path / "one", *FEW)]
        assert exit_status(prepare.main, arguments) == 2
    assert (tmp_path / "one/meshes/a/complete.json").is_file()
    before = {path: path.stat().st_mtime_ns for path in written[:18]}  # of six whole frames
    run(tmp_path / "in", tmp_path / "one", *FEW)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_broken_clip_does_not_stop_the_others(tmp_path: Path):
    vertices, faces = egg(3)
    for name in ("a", "b", "c"):
        write_meshes(tmp_path / "in" / name, vertices, faces)
    broken = tmp_path / "in/b/body_0008.ply"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200])
    with pytest.raises(UserError, match=r"1 of 3 clips .*\n.*b/body_0008.ply: not a readable mesh"):
        run(tmp_path / "in", tmp_path / "data", *FEW)
    done = {path.parent.name for path in (tmp_path / "data/meshes").glob("*/complete.json")}
    assert done == {"a", "c"}
    broken.write_bytes(whole)
    run(tmp_path / "in", tmp_path / "data", *FEW)
    assert_holds(stored(tmp_path / "data", "meshes", "b"), vertices, faces)


def test_the_plan_is_told_and_true(tmp_path: Path, capsys: pytest.CaptureFixture):
    vertices, faces = person()
    write_hdf5(tmp_path / "in.hdf5", {"50002_hips": vertices}, faces)
    run(tmp_path / "in.hdf5", tmp_path / "data", "--no-pictures")
    told = capsys.readouterr().out
    assert "1 clips, 3 frames" in told
    size = sum(path.stat().st_size for path in (tmp_path / "data").rglob("*.[np][pl][zy]"))
    told_size = float(told.split("about ")[1].split(" MB")[0])
    assert size / 1e6 == pytest.approx(told_size, rel=0.05)
    run(tmp_path / "in.hdf5", tmp_path / "data", "--no-pictures")
    assert "0 clips to write" in capsys.readouterr().out


def test_pictures_lie_beside_the_clips(tmp_path: Path):
    pytest.importorskip("pyvista")
    vertices, faces = egg(3)
    write_meshes(tmp_path / "in/walk", vertices, faces)
    run(tmp_path / "in", tmp_path / "data", *FEW[:-1])
    assert (tmp_path / "data/meshes/walk.png").stat().st_size > 5000


def test_split_files_of_a_user_stay(tmp_path: Path):
    vertices, faces = egg(2)
    write_hdf5(tmp_path / "in.hdf5", {"50002_hips": vertices}, faces)
    run(tmp_path / "in.hdf5", tmp_path / "data", *FEW)
    train = tmp_path / "data/D-FAUST/train.lst"
    train.write_text("my_own\n")
    with pytest.warns(Advice, match=r"train.lst stays as it is"):
        run(tmp_path / "in.hdf5", tmp_path / "data", *FEW)
    assert train.read_text() == "my_own\n"
