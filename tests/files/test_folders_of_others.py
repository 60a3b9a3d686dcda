"""Folders that other programs and people also use: what is a frame, and what may be replaced."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import generate
from im2mesh.build import build_config
from im2mesh.config.validation import write_config
from im2mesh.data.batch import Observation
from im2mesh.data.clip_files import clip_files, frame_numbers, view_names
from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.layout import DataError, Window
from im2mesh.errors import UserError
from im2mesh.evaluation.plots import save_figure
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.report import refuse_other_report
from im2mesh.files import written
from im2mesh.files.atomic import remove_temporary_files
from im2mesh.files.numbered import READ_ENDINGS, READ_FORMATS, find_numbered
from im2mesh.files.written import NOTE, UNFINISHED, remove_written, replacing_files
from im2mesh.generation.inputs import write_observation
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.io import _READERS, numbered_meshes, write_numbered_meshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.visualization.sheet import draw_sections
from tests.ball import CATEGORY, write_ball_dataset, write_ball_images
from tests.runs.test_result_files import comparison, motion, report, robustness, seeds
from tests.small import write_small_config

NEAREST = [
    "configs/shape_matching/nearest_neighbour.yaml", "--device", "cpu", "data.skip_frames=0",
    "data.num_frames=5", "data.num_input_points=40", "data.eval_stride=4",
    "generation.surface=cloud", "generation.num_steps=5",
]  # fmt: skip
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


def meshes(count: int) -> list[Mesh]:
    return [Mesh(VERTICES, FACES) for _ in range(count)]


def save_sequence(folder: Path, count: int) -> None:
    frames = np.stack([VERTICES] * count)
    MeshSequence(FACES, frames, np.linspace(0, 1, count)).save(folder)


def save_frames(folder: Path, count: int) -> None:
    FrameMeshes(tuple(meshes(count)), np.linspace(0, 1, count)).save(folder)


def save_clouds(folder: Path, count: int) -> None:
    times = np.linspace(0, 1, count).astype(np.float32)
    write_observation(folder, Observation(np.zeros((count, 4, 3), np.float32), times))


def save_images(folder: Path, count: int) -> None:
    times = np.linspace(0, 1, count).astype(np.float32)
    write_observation(folder, Observation(np.zeros((count, 3, 4, 4), np.float32), times))


WRITERS = [
    save_sequence,
    save_frames,
    save_clouds,
    save_images,
    lambda folder, count: write_numbered_meshes(folder, meshes(count), "obj"),
]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != NOTE}


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize("of_user", ["00000.obj", "00042.ply", "inputs_1_deformed.PLY"])
def test_meshes_of_a_user_are_never_removed(tmp_path, save: Callable, of_user):
    (tmp_path / of_user).write_text("precious")
    with pytest.raises(UserError, match=f"holds {of_user}, not noted as written by this program"):
        save(tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {of_user}
    assert (tmp_path / of_user).read_text() == "precious"


@pytest.mark.parametrize("save", WRITERS)
def test_an_earlier_save_is_replaced_and_other_files_stay(tmp_path, save: Callable):
    save(tmp_path, 5)
    for name in ("notes.txt", ".00000.ply", "template.ply"):
        (tmp_path / name).write_text("precious")
    before = names(tmp_path)
    save(tmp_path, 3)
    gone = before - names(tmp_path)
    assert {name[:5] for name in gone} == {"00003", "00004"}
    for name in ("notes.txt", ".00000.ply", "template.ply"):
        assert (tmp_path / name).read_text() == "precious"


def test_a_mesh_that_was_changed_since_is_the_users(tmp_path):
    save_sequence(tmp_path, 3)
    (tmp_path / "00001.ply").write_text("edited")
    with pytest.raises(UserError, match=r"holds 00001\.ply, .*changed since; choose another"):
        save_sequence(tmp_path, 2)
    assert (tmp_path / "00001.ply").read_text() == "edited"
    assert names(tmp_path) == {"00000.ply", "00001.ply", "00002.ply"}


@pytest.fixture
def killed(monkeypatch) -> Callable:
    """Saves, and stops when all is written but only some files have got their names."""

    def save(folder: Path, count: int, num_named: int) -> None:
        move, moved = Path.replace, []

        def stop(path: Path, target: Path) -> Path:
            if UNFINISHED in str(path):
                moved.append(target)
                if len(moved) > num_named:
                    raise KeyboardInterrupt
            return move(path, target)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "replace", stop)
            save_sequence(folder, count)

    return save


@pytest.mark.parametrize("num_named", [0, 2])
def test_a_save_that_was_killed_is_replaced(tmp_path, killed, num_named):
    (tmp_path / f"{UNFINISHED}abc").mkdir()
    (tmp_path / f"{UNFINISHED}abc" / "00000.ply").write_text("half")
    killed(tmp_path / "new", 3, num_named)
    killed(tmp_path, 3, num_named)
    assert len(numbered_meshes(tmp_path)) == num_named
    save_sequence(tmp_path, 2)
    assert names(tmp_path) == {"00000.ply", "00001.ply", "new"}


def test_a_save_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    save_sequence(tmp_path, 3)
    before = names(tmp_path)
    monkeypatch.setattr("im2mesh.meshing.io.write_mesh", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_sequence(tmp_path, 5)
    with pytest.raises(ZeroDivisionError):
        save_sequence(tmp_path / "new", 5)
    assert names(tmp_path) == before


def test_what_a_killed_save_has_not_named_is_the_users(tmp_path, killed):
    killed(tmp_path, 5, 2)
    (tmp_path / "00004.ply").write_text("precious")
    with pytest.raises(UserError, match=r"holds 00004\.ply, not noted"):
        save_sequence(tmp_path, 5)
    assert (tmp_path / "00004.ply").read_text() == "precious"


def test_a_copied_folder_is_still_ours(tmp_path):
    save_sequence(tmp_path / "a", 5)
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copy)  # other times
    save_sequence(tmp_path / "b", 3)
    assert len(numbered_meshes(tmp_path / "b")) == 3


def test_a_save_reads_each_mesh_once(tmp_path, monkeypatch):
    hashed = []
    hash_file = written._hash
    monkeypatch.setattr(written, "_hash", lambda path: hashed.append(path) or hash_file(path))
    save_sequence(tmp_path, 5)
    save_sequence(tmp_path, 5)
    assert len(hashed) == 10


def test_results_of_several_writers_share_a_folder(tmp_path):
    for name in ("a.csv", "b.csv"):
        with replacing_files(tmp_path, [name]) as place:
            (place / name).write_text("numbers")
    assert names(tmp_path) == {"a.csv", "b.csv"}
    with replacing_files(tmp_path, ["a.csv"]) as place:
        (place / "a.csv").write_text("others")
    remove_written(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize("save", WRITERS)
def test_a_file_where_the_folder_should_be_is_named(tmp_path, save: Callable):
    (tmp_path / "lib4").write_text("precious")
    for folder in (tmp_path / "lib4", tmp_path / "lib4" / "meshes"):
        with pytest.raises(UserError, match="lib4 is a file where a folder should be; move it, or"):
            save(folder, 3)


def test_a_note_that_leads_elsewhere_removes_nothing(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "mine.ply").write_text("precious")
    (tmp_path / "d" / NOTE).write_text('{"../mine.ply": null}')
    save_sequence(tmp_path / "d", 2)
    assert (tmp_path / "mine.ply").exists()


@pytest.mark.parametrize(
    "note", ["[" * 10_000, '{"' + "x" * 300 + '": null}', '{"a\\u0000": null}']
)
def test_a_note_that_is_no_note_is_not_followed(tmp_path, note):
    (tmp_path / NOTE).write_text(note)
    save_sequence(tmp_path, 2)
    assert len(numbered_meshes(tmp_path)) == 2


@pytest.mark.parametrize("save", [save_sequence, save_frames])
def test_a_sequence_with_further_arrays_is_not_replaced(tmp_path, save: Callable):
    path = tmp_path / "body.npz"
    save(path, 2)
    with np.load(path) as stored:
        np.savez(path, **stored, betas=np.ones(10))
    with pytest.raises(UserError, match=r"body\.npz exists and holds no sequence of meshes"):
        save(path, 2)
    assert "betas" in np.load(path)


def test_a_file_of_other_arrays_is_not_replaced(tmp_path):
    path = tmp_path / "body.npz"
    np.savez(path, betas=np.ones(10))
    with pytest.raises(UserError, match=r"body\.npz exists and holds no sequence of meshes"):
        save_sequence(path, 2)
    with pytest.raises(UserError, match=r"body\.npz exists and holds no sequence of meshes"):
        save_frames(path, 2)
    assert np.load(path)["betas"].shape == (10,)
    save_sequence(tmp_path / "new.npz", 2)
    save_frames(tmp_path / "new.npz", 3)  # of either kind: ours


@pytest.mark.parametrize(
    ("files", "numbers"),
    [
        ([f"inputs_{k}_deformed.ply" for k in (0, 1, 2, 10)], [0, 1, 2, 10]),
        ([f"50002_punching_{k:03d}_mesh.ply" for k in (7, 8)], [7, 8]),
        ([f"mesh{k}_v2.OBJ" for k in (1, 2)], [1, 2]),
        (["name1.0001.obj", "name1.0002.obj"], [1, 2]),
        (["00000.ply", "frame_1.off"], [0, 1]),
        (["frame_3_final.ply"], [3]),
        (["scan1_0.ply", "scan1_1.ply", "scan2_2.ply", "scan2_3.ply"], [0, 1, 2, 3]),
        (["a-1.ply", "a-2.ply"], [1, 2]),
        (["name1.0001.obj", "name2.0002.obj"], [1, 2]),
        ([".DS_Store", "._00000.ply", "00000.ply", "Thumbs.db", "00001.fbx", "a.ply"], [0]),
        (["readme.txt"], []),
    ],
)
def test_the_number_of_a_frame(tmp_path, files, numbers):
    for name in files:
        (tmp_path / name).touch()
    found = find_numbered(tmp_path, READ_ENDINGS)
    assert list(found.names) == numbers
    visible = {name for name in files if name[0] != "."}
    assert set(found.others) == visible - set(found.names.values())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["00000.ply", "body_1_old.ply"], "not plain which number of 00000.ply, body_1_old.ply"),
        (["a1_2_d.ply", "a2_3_d.ply"], "not plain which number of a1_2_d.ply, a2_3_d.ply"),
        (["00001.ply", "1.ply"], "00001.ply and 1.ply are both frame 1"),
        (["00001.ply", "00001.obj"], "00001.obj and 00001.ply are both frame 1"),
        (["m_1_x.ply", "m_01_x.ply"], "m_01_x.ply and m_1_x.ply are both frame 1"),
        (["t_0.25.ply", "t_0.5.ply"], "may be fractions"),
        (
            ["t_0.ply", "t_0.25.ply", "t_0.5.ply", "t_0.75.ply", "t_1.ply"],
            "numbers of t_0.25.ply, t_0.5.ply, t_0.75.ply, t_0.ply, t_1.ply may be fractions",
        ),
        (["0.ply", "0.5.ply", "1.ply"], "may be fractions"),
        (["t_0.0.ply", "t_0.25.ply", "t_1.5.ply"], "may be fractions"),
        (["t_-2.ply", "t_-1.ply"], "numbers of t_-1.ply, t_-2.ply may be fractions or negative"),
        (["t_-1.ply", "t_0.ply", "t_1.ply"], "may be fractions or negative"),
        (["mesh0_5.ply", "mesh1_4.ply", "mesh2_3.ply"], "not plain which number of mesh0_5.ply"),
        (["5.ply", "mesh1_4.ply"], "not plain which number of 5.ply, mesh1_4.ply"),
    ],
)
def test_frames_that_are_not_plain_are_refused_by_name(tmp_path, files, message):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=message):
        numbered_meshes(tmp_path)


def test_a_folder_that_is_called_like_a_mesh_is_refused(tmp_path):
    (tmp_path / "00000.ply").mkdir()
    with pytest.raises(UserError, match=r"00000\.ply is a folder, expected a file"):
        numbered_meshes(tmp_path)


def test_meshes_with_the_number_in_the_middle_are_found(tmp_path):
    folder = tmp_path / "balls" / "ball_d" / "00000"
    write_numbered_meshes(folder, meshes(5))
    for k in range(5):
        (folder / f"{k:05d}.ply").rename(folder / f"inputs_{k}_deformed.ply")
    predictions = PredictedMeshes(tmp_path)
    assert predictions.find(Window("balls", "ball_d", 0, 5)) == folder
    assert [name for name, *_ in predictions.state(Window("balls", "ball_d", 0, 5))] == [
        f"inputs_{k}_deformed.ply" for k in range(5)
    ]


def test_what_is_found_instead_of_meshes_is_listed(tmp_path):
    folder = tmp_path / "balls" / "ball_d" / "00000"
    folder.mkdir(parents=True)
    for name in ("00000.fbx", "notes.txt", ".DS_Store"):
        (folder / name).touch()
    with pytest.raises(UserError, match=r"no meshes in .*, which holds 00000\.fbx, notes\.txt;"):
        PredictedMeshes(tmp_path).find(Window("balls", "ball_d", 0, 5))
    with pytest.raises(UserError, match=r"no such folder; .*ball_d holds 00000\)"):
        PredictedMeshes(tmp_path).find(Window("balls", "ball_d", 4, 5))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_ball_dataset(tmp_path)
    write_ball_images(tmp_path, num_views=1, size=8)
    return tmp_path / CATEGORY / "ball_a"


def fingerprint(clip: Path) -> str:
    clip_fingerprint.cache_clear()
    return clip_fingerprint(clip.parents[1], CATEGORY, clip.name)


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "Thumbs.db",
        "notes.txt",
        "pcl_seq/.DS_Store",
        "pcl_seq/._00000000.npz",
        "pcl_seq/.nfs0000001",
        "pcl_seq/00000000.npz.part",
        "pcl_seq/00000001.ply",
        "points_seq/._00000007.npz",
        "points_seq/00000099.npz",
        "mesh_seq/00099.obj",
        "img/0/00099.jpg",
        "img/0/._00000000.jpg",
        "img/.DS_Store",
        "preview/00000000.npz",
    ],
)
def test_files_that_are_no_data_change_nothing(clip, name):
    before, numbers = fingerprint(clip), frames(clip)
    (clip / name).parent.mkdir(exist_ok=True)
    (clip / name).write_bytes(b"Mac OS X")
    assert fingerprint(clip) == before
    assert frames(clip) == numbers


def frames(clip: Path) -> tuple[int, ...]:
    frame_numbers.cache_clear()
    return frame_numbers(clip.parents[1], CATEGORY, clip.name)


def test_files_that_are_data_do_change_the_fingerprint(clip):
    before = fingerprint(clip)
    np.savez(clip / "pcl_seq" / "00000007.npz", points=np.ones((9, 3)))
    assert fingerprint(clip) != before


def test_linked_folders_are_followed_by_the_fingerprint(clip, tmp_path):
    before = fingerprint(clip)
    (clip / "pcl_seq").rename(tmp_path / "elsewhere")
    (clip / "pcl_seq").symlink_to(tmp_path / "elsewhere")
    assert fingerprint(clip) == before
    np.savez(tmp_path / "elsewhere" / "00000007.npz", points=np.ones((9, 3)))
    assert fingerprint(clip) != before


def test_a_link_to_nothing_is_named(clip):
    path = clip / "pcl_seq" / "00000007.npz"
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(DataError, match=r"00000007\.npz leads to no file"):
        fingerprint(clip)


def test_hidden_views_are_no_views(clip):
    (clip / "img" / ".thumbnails").mkdir()
    assert view_names(clip / "img") == ["0"]


@pytest.mark.parametrize(
    ("folder", "first", "second"),
    [
        ("pcl_seq", "00000007.npz", "7.npz"),
        ("points_seq", "00000007.npz", "007.npz"),
        ("img/0", "00007.jpg", "00007.png"),
    ],
)
def test_two_files_of_one_frame_are_refused_with_both_names(clip, folder, first, second):
    path = clip / folder / first
    path.with_name(second).write_bytes(path.read_bytes())
    clip_files.cache_clear()
    frame_numbers.cache_clear()
    with pytest.raises(DataError, match=f"clip ball_a: .*{first} and {second} are both frame 7"):
        clip_files(clip.parents[1], CATEGORY, clip.name, folder)


def test_a_folder_among_the_frames_is_no_frame(clip):
    numbers = frames(clip)
    (clip / "pcl_seq" / f"{numbers[-1] + 1:08d}").mkdir()
    assert frames(clip) == numbers
    (clip / "pcl_seq" / f"{numbers[-1] + 1:08d}.npz").mkdir()
    with pytest.raises(DataError, match="is a folder, expected a file"):
        frames(clip)


def test_data_without_numbers_are_named(clip):
    for path in (clip / "pcl_seq").iterdir():
        path.unlink()
    (clip / "pcl_seq" / "first.npz").touch()
    with pytest.raises(DataError, match=r"holds no numbered \.npz file, but first\.npz"):
        frames(clip)


def test_each_format_of_meshes_has_a_reader():
    assert tuple(_READERS) == READ_FORMATS


def test_a_config_of_ones_own_is_not_replaced_by_the_resolved_one(tmp_path, ball_root):
    config = build_config(write_small_config(tmp_path, ball_root))
    mine = tmp_path / "config.yaml"
    mine.write_text(f"# my notes\noutput_dir: {tmp_path}\n")
    with pytest.raises(UserError, match=r"config\.yaml is in the way: .*; move it"):
        write_config(mine, config)
    assert mine.read_text().startswith("# my notes")
    write_config(tmp_path / "run" / "config.yaml", config)
    write_config(tmp_path / "run" / "config.yaml", config)  # of an earlier time: ours


def test_generation_leaves_the_files_of_others_alone(tmp_path, ball_root):
    folder = tmp_path / "run" / "generation" / "test" / CATEGORY / "ball_d" / "00000"
    arguments = [*NEAREST, f"data.root={ball_root}", f"output_dir={tmp_path / 'run'}"]
    folder.mkdir(parents=True)
    (folder / "00003.obj").write_text("precious")
    with pytest.raises(UserError, match=r"00000 holds 00003\.obj, not noted as written"):
        generate.main(arguments)
    assert {path.name for path in folder.iterdir()} == {"00003.obj"}
    (folder / "00003.obj").rename(folder / "notes.txt")
    generate.main(arguments)
    (folder / "window.json").unlink()
    (folder / "meshes" / "seen.txt").write_text("precious")
    generate.main(arguments)  # once more, over its own files
    assert (folder / "notes.txt").read_text() == "precious"
    assert (folder / "meshes" / "seen.txt").read_text() == "precious"
    assert len(numbered_meshes(folder / "meshes")) == 5


def test_half_written_files_of_others_stay(tmp_path):
    for name in ("model.pt.0123456789ab.tmp", "notes.tmp", "model.pt.mine.tmp"):
        (tmp_path / name).touch()
    remove_temporary_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.tmp", "model.pt.mine.tmp"}


def test_generation_refuses_the_files_of_others_before_any_work(tmp_path, ball_root, monkeypatch):
    clip = tmp_path / "run" / "generation" / "test" / CATEGORY / "ball_d"
    arguments = [*NEAREST, f"data.root={ball_root}", f"output_dir={tmp_path / 'run'}"]
    (clip / "00004" / "meshes").mkdir(parents=True)
    (clip / "00004" / "meshes" / "00001.ply").write_text("precious")
    with pytest.raises(UserError, match=r"meshes holds 00001\.ply, not noted"):
        generate.main(arguments)
    assert not (clip / "00000").exists()
    (clip / "00004" / "meshes" / "00001.ply").unlink()
    generate.main(arguments)
    (clip / "00004" / "meshes" / "00001.ply").write_text("edited")
    generate.main(arguments)  # all are finished, so nothing would be replaced
    assert (clip / "00004" / "meshes" / "00001.ply").read_text() == "edited"


def test_windows_of_a_version_without_notes_are_generated_again(tmp_path, ball_root):
    folder = tmp_path / "run" / "generation" / "test" / CATEGORY / "ball_d" / "00000"
    arguments = [
        *NEAREST, f"data.root={ball_root}", f"output_dir={tmp_path / 'run'}",
        "generation.write_inputs=true",
    ]  # fmt: skip
    generate.main(arguments)
    for note in tmp_path.rglob(NOTE):
        note.unlink()
    generate.main([*arguments, "generation.mesh_format=obj", "data.num_input_points=30"])
    assert len(numbered_meshes(folder / "meshes")) == 5
    assert len(numbered_meshes(folder / "inputs")) == 2
    for note in tmp_path.rglob(NOTE):
        note.unlink()
    (folder / "meshes" / "00005.obj").write_text("precious")  # more than window.json tells
    with pytest.raises(UserError, match=r"meshes holds 00005\.obj, not noted"):
        generate.main(arguments)


def write_picture(path: Path, origin: str | None = None) -> None:
    notes = PngInfo()
    if origin is not None:
        notes.add_text("Source", origin)
    Image.new("RGB", (2, 2)).save(path, "PNG", pnginfo=notes)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("comparison.md", comparison),
        ("test_iou.png", comparison),
        ("summary.csv", seeds),
        ("robustness.md", robustness),
        ("length_iou_0.png", robustness),
        ("motion.csv", motion),
        ("summary.md", report),
        ("iou.png", report),
        ("iou.png", lambda folder: refuse_other_report(folder)),
        ("summary.json", lambda folder: refuse_other_report(folder)),
    ],
)
def test_tables_and_plots_of_others_are_not_replaced(tmp_path, name, write: Callable):
    folder = tmp_path / "results"
    folder.mkdir()
    for content in (lambda path: path.write_text("precious"), write_picture):
        content(folder / name)
        before = (folder / name).read_bytes()
        with pytest.raises(UserError, match=f"results holds {re.escape(name)}, not noted as"):
            write(folder)
        assert names(folder) == {name} and (folder / name).read_bytes() == before


@pytest.mark.parametrize("write", [comparison, seeds, robustness, motion, report])
def test_results_of_a_version_without_notes_are_replaced(tmp_path, write: Callable):
    folder = tmp_path / "results"
    write(folder)
    (folder / NOTE).unlink()
    write(folder)
    (folder / "notes.txt").write_text("precious")
    table = next(folder.glob("*.csv"))
    table.write_text(f"{table.read_text()}# mine\n")
    with pytest.raises(UserError, match=f"results holds {table.name}, .*, or changed since"):
        write(folder)


def test_pictures_of_others_are_not_replaced(tmp_path):
    figure, path = Figure(), tmp_path / "photo.png"
    for content in (lambda path: path.write_text("precious"), write_picture):
        content(path)
        before = path.read_bytes()
        with pytest.raises(UserError, match=r"photo\.png exists and does not say what made it"):
            save_figure(figure, path, "origin")
        with pytest.raises(UserError, match=r"photo\.png exists and does not say what made it"):
            draw_sections([], path, 10)
        assert path.read_bytes() == before
    write_picture(path, "code 1.0")
    save_figure(figure, path, "origin")
    save_figure(figure, path, "")
    assert Image.open(path).text["Source"] == ""


def test_an_evaluation_does_not_replace_the_config_of_a_training(tmp_path):
    for name in ("model.pt", "model_best.pt", "logs"):
        folder = tmp_path / name.partition(".")[0]
        (folder / name).mkdir(parents=True)
        with pytest.raises(UserError, match=r"is the folder of a training, whose config\.yaml"):
            refuse_other_report(folder)
    refuse_other_report(tmp_path / "nowhere")
