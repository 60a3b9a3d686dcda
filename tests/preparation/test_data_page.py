"""The commands of docs/data.md for other data, run on files of the structure that it describes."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import train
from im2mesh.build import build_config
from im2mesh.data.dataset import build_training_data, build_windows
from im2mesh.data.frames import StoredWindow
from scripts import check_dataset, pack_dataset, prepare, stream
from tests.data.served import serve
from tests.preparation.moving_body import (
    egg,
    write_anime,
    write_hdf5,
    write_meshes,
    write_swinging,
)

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = "--surface-points", "300", "--occupancy-points", "400", "--near-surface-points", "50"


def commands(heading: str) -> list[list[str]]:
    """The words of each command below a heading."""
    section = re.split(f"^##+ {heading}\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1]
    section = section.split("\n#")[0]
    blocks = re.findall(r"^```\n(python .*?)^```", section, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def dfaust(folder: Path) -> None:
    vertices, faces = egg(20)
    (folder / "dfaust").mkdir()
    for sex, names in {"m": ("50002_hips", "50021_hips"), "f": ("50004_punching",)}.items():
        clips = dict.fromkeys(names, vertices / 4)
        write_hdf5(folder / f"dfaust/registrations_{sex}.hdf5", clips, faces)
    authors_archive(folder / "data/humans/D-FAUST")


def authors_archive(category: Path) -> None:
    """As DATA of the paper's authors lie: float16, no normals, no near points, no meshes."""
    from im2mesh.data.sampling import label_points, sample_surface

    vertices, faces = egg(33)
    sample = sample_surface(vertices[0], faces, 500, np.random.default_rng(0))
    for clip, factor in {"50002_hips": 1.0, "50004_punching": 1.2}.items():
        for number, frame in enumerate(vertices * factor, start=80):
            low, high = frame.min(0), frame.max(0)
            loc, scale = ((low + high) / 2).astype(np.float16), np.float64((high - low).max())
            local = (frame - loc) / scale
            rng = np.random.default_rng(number)
            points = (1.1 * (rng.random((800, 3)) - 0.5)).astype(np.float16)
            inside = label_points(local, faces, points)
            files = {
                "pcl_seq": {"points": sample.points(local, faces).astype(np.float16)},
                "points_seq": {"points": points, "occupancies": np.packbits(inside)},
            }
            for name, arrays in files.items():
                path = category / clip / name / f"{number:08d}.npz"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(path, **arrays, loc=loc, scale=scale)
    for split, names in {"train": "50002_hips", "val": "50004_punching"}.items():
        (category / f"{split}.lst").write_text(f"{names}\n")


def animals(folder: Path) -> None:
    vertices, faces = egg()
    (folder / "lists").mkdir()
    for split, name in (("train", "bear_run"), ("test_seen", "bear_sit"), ("test_unseen", "fox")):
        path = folder / f"DeformingThings4D/animals/{name}/{name}.anime"
        write_anime(path, vertices * (1 + len(name) / 50), faces)
        (folder / f"lists/{split}.lst").write_text(f"{name}\n")


def cape(folder: Path) -> None:
    vertices, faces = egg()
    place = folder / "CAPE/sequences/00032/shortlong_hips"
    place.mkdir(parents=True)
    for k, frame in enumerate(vertices, start=1):
        np.savez(place / f"shortlong_hips.{k:06d}.npz", v_posed=frame, transl=np.zeros(3))
    write_meshes(folder / "template", vertices[:1], faces, "obj")
    (folder / "template/body_0007.obj").replace(folder / "CAPE/template.obj")


def scans(folder: Path) -> None:
    vertices, faces = egg(5)
    write_meshes(folder / "scans/walk", 1000 * vertices[..., [0, 2, 1]] * [1, -1, 1], faces)


def animation(folder: Path) -> None:
    vertices, faces = egg(1)
    write_swinging(folder / "walker.glb", vertices[0], faces)


def data_set(folder: Path) -> None:
    authors_archive(folder / "data/D-FAUST/D-FAUST")


@pytest.mark.parametrize(
    ("heading", "make", "clips"),
    [
        ("D-FAUST", dfaust, ["50002_hips", "50004_punching", "50021_hips"]),
        ("DeformingThings4D", animals, ["bear_run", "bear_sit", "fox"]),
        ("CAPE", cape, ["00032_shortlong_hips"]),
        ("Numbered meshes", scans, ["walk"]),
        ("Animations", animation, ["walker"]),
        ("Check a data set", data_set, []),
    ],
)
def test_commands_of_the_page(
    heading: str, make, clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Trainings are not run, but their configuration finds windows in what was prepared."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    found: list[str] = []
    for python, script, *arguments in commands(heading):
        assert python == "python"
        if script == "scripts/prepare.py":
            without = [word for word in arguments if word not in ("--workers", "4")]
            prepare.main([*without, *SMALL, "--no-pictures"])
            found += sorted(p.parent.name for p in Path(arguments[1]).glob("*/*/complete.json"))
        elif script == "scripts/check_dataset.py":
            check_dataset.main(arguments[:1])  # the rest needs a screen, or several processes
        else:
            assert script == "train.py" and callable(train.main)
            config = build_config(str(CONFIGS.parent / arguments[0]), arguments[1:])
            assert build_windows(config, config.data.train_split, stride=1)
    assert found == clips


def test_packed_and_streamed_data_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The address of the page is that of a server on this machine."""
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    authors_archive(tmp_path / "data/bodies/D-FAUST")
    with serve(tmp_path / "data/bodies-packed") as server:
        for python, script, *arguments in commands("Packed clips"):
            assert (python, script) == ("python", "scripts/pack_dataset.py")
            pack_dataset.main(arguments[:2])
        shutil.rmtree(tmp_path / "data/bodies")
        for python, script, *arguments in commands("Clips of a web server"):
            assert python == "python"
            if script == "scripts/stream.py":
                address = "https://data.example.org/bodies-packed"
                stream.main([server.url if word == address else word for word in arguments])
                continue
            config = build_config(str(CONFIGS.parent / arguments[0]), arguments[1:])
            windows = build_windows(config, config.data.train_split, stride=1)
            assert StoredWindow("data/bodies", windows[0]).surface_points(0).points.shape[1] == 3
    assert list(tmp_path.glob("data/bodies/*/*/pcl_seq.npz"))


def test_preprocessed_data_of_motion2vecsets_are_read_as_they_are(tmp_path: Path):
    """Names of the authors, split files of their own, and no points near the surface."""
    authors_archive(tmp_path / "humans/D-FAUST")
    for split in ("test_unseen_individual", "test_unseen_motion"):
        (tmp_path / f"humans/D-FAUST/{split}.lst").write_text("50004_punching\n")
    root = f"data.root={tmp_path / 'humans'}"
    config = build_config(str(CONFIGS / "pointcloud/oflow_w_correspond.yaml"), [root])
    sample = build_training_data(config)[0]
    assert sample.inputs.shape == (17, 300, 3) and sample.occupancy_0.mean() < 1
    for split in ("test_unseen_individual", "test_unseen_motion"):
        windows = build_windows(config, split, stride=1)
        stored = StoredWindow(config.data.root, windows[0])
        assert stored.surface_points(0).normals is None and stored.mesh(0) is None


def test_prepared_folders_of_others_need_no_preparation(tmp_path: Path):
    """Folders of the authors, and of papers that derived theirs from them, are read as they are."""
    authors_archive(tmp_path / "humans/D-FAUST")
    (tmp_path / "humans/D-FAUST/test_unseen_motion.lst").write_text("50004_punching\n")
    config = build_config(
        str(CONFIGS / "pointcloud/oflow.yaml"), [f"data.root={tmp_path / 'humans'}"]
    )
    windows = build_windows(config, "test_unseen_motion", stride=1)
    assert len(windows) > 0 and {window.clip for window in windows} == {"50004_punching"}
    with pytest.raises(ValueError, match="has the layout of this program already"):
        prepare.main([str(tmp_path / "humans"), str(tmp_path / "out")])
