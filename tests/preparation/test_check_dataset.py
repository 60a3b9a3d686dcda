"""Faults planted one by one in a data set: the check finds each, and none in a sound one."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from im2mesh.command_line import exit_status
from im2mesh.data.layout import DataError
from im2mesh.data.pack_clip import pack_clip
from im2mesh.data.sampling import label_points
from im2mesh.errors import UserError
from im2mesh.meshing.io import read_mesh, write_mesh
from scripts import check_dataset, prepare
from tests.preparation.moving_body import FEW, egg, write_meshes

CLIPS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category of four clips in three splits; the first has four frames and images."""
    folder = tmp_path_factory.mktemp("sound")
    vertices, faces = egg()
    for number, name in enumerate(CLIPS):
        shown = vertices if name == "a" else vertices[:2]  # only one is spoilt
        write_meshes(folder / "in" / name, shown * (1 + 0.05 * number), faces)
    for split, names in {"train": "a\nb\n", "val": "c\n", "test": "d\n"}.items():
        (folder / f"{split}.lst").write_text(names)
    lists = [str(folder / f"{split}.lst") for split in ("train", "val", "test")]
    few = "--surface-points", "1500", "--occupancy-points", "2000", "--no-pictures"
    prepare.main([str(folder / "in"), str(folder / "data"), "--lists", *lists, *few])
    for frame in (7, 8, 9, 10):
        path = folder / f"data/meshes/a/img/0/{frame:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return folder / "data"


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "data"))


def cloud(root: Path, frame: int = 8, clip: str = "a", folder: str = "pcl_seq") -> Path:
    return root / f"meshes/{clip}/{folder}/{frame:08d}.npz"


def labels(root: Path, **where: Any) -> Path:
    return cloud(root, folder="points_seq", **where)


def change(path: Path, **members: Callable[[np.ndarray], np.ndarray] | None) -> None:
    """Replace arrays by functions of themselves; None removes one."""
    arrays = dict(np.load(path))
    for name, function in members.items():
        array = arrays.pop(name)
        if function is not None:
            arrays[name] = np.asarray(function(array))
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def with_nan(points: np.ndarray) -> np.ndarray:
    points[3, 1] = np.nan
    return points


def shuffled(rows: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).permutation(rows)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def change_mesh(path: Path, scale: float = 1.0) -> None:
    mesh = read_mesh(path)
    write_mesh(path, scale * mesh.vertices, mesh.faces)


def mesh_file(root: Path, frame: int = 8) -> Path:
    return root / f"meshes/a/mesh_seq/{frame:05d}.ply"


def label_by_a_smaller_body(path: Path, mesh_path: Path) -> None:
    stored, mesh = np.load(path), read_mesh(mesh_path)
    vertices = 0.85 * (mesh.vertices - stored["loc"]) / stored["scale"]
    inside = label_points(vertices, mesh.faces, stored["points"])
    change(path, occupancies=lambda _: np.packbits(inside))


def copy_clip(root: Path, source: str, target: str) -> None:
    shutil.rmtree(root / "meshes" / target)
    shutil.copytree(root / "meshes" / source, root / "meshes" / target)


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def split(root: Path, name: str) -> Path:
    return root / f"meshes/{name}.lst"


def unpacked(bits: np.ndarray) -> np.ndarray:
    return np.unpackbits(bits)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a truncated file": (
        lambda root: write(cloud(root), cloud(root).read_bytes()[:500]),
        "meshes/a: frame 00000008: pcl_seq is not an intact npz file",
    ),
    "a flipped bit": (lambda root: flip_a_bit(cloud(root)), "pcl_seq is not an intact npz file"),
    "a missing frame": (lambda root: cloud(root).unlink(), "has frames 7 and 9 but no frame 8"),
    "missing labels of a frame": (
        lambda root: labels(root).unlink(),
        "points_seq has no file for frame 8",
    ),
    "two files of a frame": (
        lambda root: shutil.copy(cloud(root), cloud(root).with_name("8.npz")),
        "are both frame 8",
    ),
    "a missing array": (lambda root: change(cloud(root), loc=None), "it has no array 'loc'"),
    "NaN": (lambda root: change(cloud(root), points=with_nan), "points hold NaN"),
    "points of another shape": (
        lambda root: change(cloud(root), points=np.transpose),
        "points must be numbers of shape [N, 3]",
    ),
    "a scale of 0": (lambda root: change(cloud(root), scale=lambda s: s * 0), "scale must be a"),
    "points in world coordinates": (
        lambda root: change(cloud(root), points=lambda p: p * 3 + 1),
        "the cloud is not normalised",
    ),
    "normals of another length": (
        lambda root: change(cloud(root), normals=lambda n: 2 * n),
        "normals are not of length 1",
    ),
    "normals that point inwards": (
        lambda root: change(cloud(root), normals=lambda n: -n),
        "normals point into the body",
    ),
    "labels that are not packed": (
        lambda root: change(labels(root), occupancies=unpacked),
        "not the packed bits",
    ),
    "inverted labels": (
        lambda root: change(labels(root), occupancies=np.invert),
        "points beside the body are labelled inside",
    ),
    "labels in another order": (
        lambda root: change(labels(root), occupancies=lambda b: np.packbits(shuffled(unpacked(b)))),
        "labels change where there is no surface",
    ),
    "no label inside": (
        lambda root: change(labels(root), occupancies=lambda b: b * 0),
        "none of the labelled points lie inside",
    ),
    "labels of another normalisation": (
        lambda root: change(labels(root), loc=lambda loc: loc + 0.1),
        "loc and scale of the labelled points are not those of the cloud",
    ),
    "labelled points outside of the cube": (
        lambda root: change(labels(root), points=lambda p: 2 * p),
        "outside of the cube",
    ),
    "rows in another order": (
        lambda root: change(cloud(root), points=shuffled, normals=shuffled),
        "meshes/a: frame 00000008: rows do not correspond",
    ),
    "rows in another order in the middle frame": (
        lambda root: change(cloud(root, frame=9), points=shuffled, normals=shuffled),
        "meshes/a: frame 00000009: rows do not correspond",
    ),
    "fewer rows": (
        lambda root: change(cloud(root), points=lambda p: p[:-9], normals=lambda n: n[:-9]),
        "the cloud has 1491 rows, the first has 1500",
    ),
    "a jump": (
        lambda root: [
            change(cloud(root, folder=name), loc=lambda loc: loc + 5)
            for name in ("pcl_seq", "points_seq", "points_near_seq")
        ],
        "the body jumps by",
    ),
    "millimetres": (
        lambda root: change(cloud(root), scale=lambda s: 1000 * s),
        "the body grows 1e+03-fold",
    ),
    "a mesh in millimetres": (
        lambda root: change_mesh(mesh_file(root), scale=1000.0),
        "the box of the mesh is off that of the cloud",
    ),
    "a broken mesh": (
        lambda root: write(mesh_file(root), b"ply\n"),
        "00008.ply: not a readable mesh",
    ),
    "labels of a smaller body": (
        lambda root: label_by_a_smaller_body(labels(root, frame=7), mesh_file(root, frame=7)),
        "of the labels are what the mesh says",
    ),
    "cameras of another shape": (
        lambda root: np.savez(
            root / "meshes/a/img/0/cameras.npz", world_mat=np.eye(4), camera_mat=np.eye(3)
        ),
        "world_mat must be finite numbers of shape [3, 4]",
    ),
    "a broken image": (
        lambda root: write(root / "meshes/a/img/0/00000008.png", b"png"),
        "an image of 0 is not intact",
    ),
    "a clip in two splits": (
        lambda root: write(split(root, "test"), "d\na\n"),
        "a stand in both test.lst and train.lst",
    ),
    "a clip twice in a split": (
        lambda root: write(split(root, "train"), "a\na\n"),
        "train.lst names a twice",
    ),
    "a split with a clip that is not there": (
        lambda root: write(split(root, "val"), "c\nx\n"),
        "val.lst names x, and there is no such folder",
    ),
    "an empty split": (lambda root: write(split(root, "val"), "\n"), "val.lst names no clip"),
    "a split that leads elsewhere": (
        lambda root: write(split(root, "val"), "../x\n"),
        "'../x' is not the name of a folder",
    ),
    "a split that is no text": (lambda root: write(split(root, "val"), b"\xff"), "not text in UTF"),
    "a copy of a clip of another split": (
        lambda root: copy_clip(root, "a", "d"),
        "the clips a, d hold the same frames, and splits that must differ name them",
    ),
}

ADVICE: dict[str, tuple[Callable[[Path], object], str]] = {
    "clips in no split": (
        lambda root: write(split(root, "train"), "a\n"),
        "no split names the clips b",
    ),
    "no splits": (
        lambda root: [path.unlink() for path in (root / "meshes").glob("*.lst")],
        "it has no split files",
    ),
    "no labels": (
        lambda root: shutil.rmtree(root / "meshes/b/points_seq"),
        "meshes/b: (advice) it has no points_seq",
    ),
    "a compressed file": (
        lambda root: np.savez_compressed(cloud(root), **dict(np.load(cloud(root)))),
        "pcl_seq is compressed",
    ),
    "rows that never correspond": (
        lambda root: [
            change(cloud(root, frame=k), points=rolled(k), normals=rolled(k)) for k in range(7, 11)
        ],
        "rows of the clouds do not correspond over time",
    ),
    "a frame twice": (
        lambda root: [
            shutil.copy(mesh_file(root), mesh_file(root, frame=9)),
            *(
                shutil.copy(cloud(root, folder=name), cloud(root, frame=9, folder=name))
                for name in ("pcl_seq", "points_seq", "points_near_seq")
            ),
        ],
        "the cloud is that of the frame before",
    ),
}


def rolled(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: np.random.default_rng(seed).permutation(rows)


NOT_PACKED = {
    "a truncated file",
    "a flipped bit",
    "missing labels of a frame",  # is packed, and then says so of the packed file
    "two files of a frame",
    "a missing array",
    "points of another shape",
    "a compressed file",
}
"""Faults of single files, with which a clip is not packed."""
PACKED_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a truncated file": (
        lambda root: write(packed(root), packed(root).read_bytes()[:5000]),
        "pcl_seq.npz is not an intact npz file",
    ),
    "a flipped bit": (
        lambda root: flip_a_bit(packed(root)),
        "of pcl_seq.npz is damaged); copy it, or pack the clip again",
    ),
    "a flipped bit in labels": (
        lambda root: flip_a_bit(packed(root, "points_seq")),
        "points_seq is not an intact npz file",
    ),
    "labels of another number of frames": (
        lambda root: [
            pack(root, "b"),
            shutil.copy(packed(root, "points_seq", "b"), packed(root, "points_seq")),
        ],
        "points_seq.npz has no file for frame 9",
    ),
    "a folder beside the packed file": (
        lambda root: (packed(root).parent / "pcl_seq").mkdir(),
        "has both the folder",
    ),
    "a folder of labels beside the packed file": (
        lambda root: (packed(root).parent / "points_seq").mkdir(),
        "has both the folder",
    ),
    "no manifest": (lambda root: change(packed(root), manifest=None), "has no array 'manifest'"),
    "an array that was changed": (
        lambda root: change(packed(root), points=lambda p: 2 * p),
        "was changed after it was packed",
    ),
}


def packed(root: Path, folder: str = "pcl_seq", clip: str = "a") -> Path:
    return root / f"meshes/{clip}/{folder}.npz"


def pack(root: Path, clips: Sequence[str] = "a") -> None:
    """Pack clips in place; a data set may have packed clips and others."""
    for clip in clips:
        folder = root / "meshes" / clip
        target = root.with_name("packed") / clip
        pack_clip(folder, target)
        shutil.rmtree(folder)
        target.rename(folder)


def test_a_sound_data_set(sound: Path, capsys: pytest.CaptureFixture):
    check_dataset.main([str(sound)])
    out = capsys.readouterr().out
    assert out.endswith("\nnothing has to be mended\n") and "advice" not in out
    rows = [line.split() for line in out.splitlines()]
    assert ["meshes", "train", "2", "6", "2", "2", "2", "1"] in [row[:8] for row in rows]
    assert ["meshes", "test", "1", "2", "1", "1", "1", "0"] in [row[:8] for row in rows]


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults(root: Path, fault: str, capsys: pytest.CaptureFixture):
    plant, message = FAULTS[fault]
    plant(root)
    assert exit_status(check_dataset.main, [str(root)]) == 2
    out, err = capsys.readouterr()
    assert message in out
    assert f"{root} has " in err and "faults to mend" in err


def test_a_sound_packed_data_set(root: Path, capsys: pytest.CaptureFixture):
    """Its table is that of the files, but for the size."""
    check_dataset.main([str(root)])
    files = capsys.readouterr().out
    pack(root, CLIPS)
    check_dataset.main([str(root)])
    assert _without_sizes(capsys.readouterr().out) == _without_sizes(files)
    assert not list(root.glob("*/*/pcl_seq"))


def _without_sizes(table: str) -> list[list[str]]:
    return [line.split()[:8] for line in table.splitlines() if not set(line) <= set("- ")]


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - NOT_PACKED))
def test_planted_faults_that_were_packed(root: Path, fault: str, capsys: pytest.CaptureFixture):
    plant, message = FAULTS[fault]
    plant(root)
    pack(root)
    assert exit_status(check_dataset.main, [str(root)]) == 2
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("fault", PACKED_FAULTS)
def test_faults_of_packed_files(root: Path, fault: str, capsys: pytest.CaptureFixture):
    plant, message = PACKED_FAULTS[fault]
    pack(root)
    plant(root)
    assert exit_status(check_dataset.main, [str(root)]) == 2
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("fault", sorted(NOT_PACKED & FAULTS.keys()))
def test_faults_with_which_a_clip_is_not_packed(root: Path, fault: str):
    FAULTS[fault][0](root)
    if fault == "missing labels of a frame":
        pack(root)
        with pytest.raises(UserError):
            check_dataset.main([str(root)])
        return
    with pytest.raises(DataError):
        pack(root)


@pytest.mark.parametrize("case", sorted(ADVICE.keys() - NOT_PACKED - {"no labels"}))
def test_advice_on_what_was_packed(root: Path, case: str, capsys: pytest.CaptureFixture):
    plant, message = ADVICE[case]
    plant(root)
    pack(root)
    check_dataset.main([str(root)])
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("case", ADVICE)
def test_what_may_be_as_meant_is_advice(root: Path, case: str, capsys: pytest.CaptureFixture):
    plant, message = ADVICE[case]
    plant(root)
    check_dataset.main([str(root)])
    assert message in capsys.readouterr().out


def test_copies_are_known_by_other_points_of_the_same_surface(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    vertices, faces = egg(2)
    for name in ("a", "b"):
        write_meshes(tmp_path / "in" / name, vertices, faces)
        (tmp_path / ("train.lst" if name == "a" else "test.lst")).write_text(name)
    lists = "--lists", str(tmp_path / "train.lst"), str(tmp_path / "test.lst")
    prepare.main([str(tmp_path / "in"), str(tmp_path / "data"), *FEW, *lists])
    assert exit_status(check_dataset.main, [str(tmp_path / "data")]) == 2
    assert "the clips a, b hold the same frames" in capsys.readouterr().out


def test_several_processes_find_the_same(root: Path, capsys: pytest.CaptureFixture):
    change(cloud(root), normals=lambda n: -n)
    told = []
    for workers in ("1", "2"):
        with pytest.raises(UserError, match="1 faults"):
            check_dataset.main([str(root), "--workers", workers])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]


def test_counts_stand_below_their_headings(sound: Path, capsys: pytest.CaptureFixture):
    check_dataset.main([str(sound)])
    table = [line for line in capsys.readouterr().out.splitlines() if line.count("  ") > 4]
    heading = next(line for line in table if line.startswith("category")).split()
    row = (
        next(line for line in table if "(all clips)" in line).replace("(all clips)", "all").split()
    )
    found = dict(zip(heading, row, strict=False))  # the size has a unit behind it
    folders = {
        "near": "points_near_seq",
        "meshes": "mesh_seq",
        "views": "img",
        "depth": "depth_seq",
    }
    for name, folder in folders.items():
        assert int(found[name]) == len(list(sound.glob(f"*/*/{folder}"))), name


def test_a_contact_sheet(sound: Path, tmp_path: Path):
    pytest.importorskip("pyvista")
    check_dataset.main([str(sound), "--sheet", str(tmp_path / "sheet.png")])
    assert Image.open(tmp_path / "sheet.png").height > 1000


def test_a_folder_of_a_category_is_no_data_set(sound: Path):
    with pytest.raises(UserError, match=f"holds no category .*is it {sound}"):
        check_dataset.main([str(sound / "meshes")])
