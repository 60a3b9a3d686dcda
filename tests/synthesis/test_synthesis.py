"""Synthetic bodies: motions that stay bodies, and files that official readers understand."""

import json
from pathlib import Path

import igl
import numpy as np
import pytest
import trimesh
from jaxtyping import Float

from im2mesh.command_line import exit_status
from im2mesh.data.clip_notes import STARTED_NOTE
from im2mesh.data.sampling import face_normals, label_points, normalisation_of
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import count_bodies, load_body
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.files import obj_vertices
from im2mesh.synthesis.legs import solve_two_bones
from im2mesh.synthesis.motions.repertoire import MOTIONS
from im2mesh.synthesis.plan import CATEGORY, DatasetSettings
from im2mesh.synthesis.split_files import write_split_files
from im2mesh.synthesis.splits import Clip, split_clips
from scripts import make_bodies
from tests.synthesis.digests import digests

PLANTED = (
    "chicken_wings",
    "hips",
    "jiggle_on_toes",
    "punching",
    "shake_arms",
    "shake_hips",
    "shake_shoulders",
)
JUMPING = ("jumping_jacks", "light_hopping_loose", "light_hopping_stiff", "one_leg_jump")
SMALL = ClipSettings(
    seed=3, frames=3, surface_points=200, occupancy_points=400, near_surface_points=100
)
SMALL_SET = DatasetSettings(bodies=2, motions=("hips", "knees", "punching"), clip=SMALL)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    make_dataset(root, SMALL_SET)
    return root


def _clips(root: Path, split: str) -> list[str]:
    return (root / CATEGORY / f"{split}.lst").read_text().split()


def _read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = igl.read_triangle_mesh(str(path))
    return np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)


def _world_points(path: Path) -> np.ndarray:
    with np.load(path) as file:
        return file["loc"].astype(float) + file["scale"] * file["points"].astype(float)


def _volume(vertices: Float[np.ndarray, "V 3"], faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def _winding_numbers(
    vertices: Float[np.ndarray, "V 3"], faces: np.ndarray, points: Float[np.ndarray, "N 3"]
) -> np.ndarray:
    """How often each point is inside."""
    arguments = (vertices.astype(float), faces.astype(np.int64), points.astype(float))
    return np.rint(igl.fast_winding_number(*arguments))


def _overlap(vertices: Float[np.ndarray, "V 3"], faces: np.ndarray) -> float:
    """Share of the inside that lies inside twice."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    points = low + (high - low) * np.random.default_rng(0).random((40000, 3))
    numbers = _winding_numbers(vertices, faces, points)
    return float(np.mean(numbers[numbers > 0] > 1))


def _check_clip(body_index: int, motion: str, seed: int, frames: list[int]) -> None:
    body = load_body(body_index)
    vertices = animate(Clip(body_index, motion), 60, seed).astype(np.float64)
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=-1)
    assert 0.003 < steps.mean() < 0.012, "speed of real clips"
    assert steps.max() < 0.08, "no vertex jumps"
    lowest = vertices[..., 1].min(axis=1)
    assert np.abs(lowest).min() < 1e-6, "touches the ground"
    assert lowest.min() > -1e-6, "never below the ground"
    if motion in PLANTED:
        assert lowest.max() < 1e-6
    if motion in JUMPING:
        assert lowest.max() > 0.02
    rest_volume = _volume(body.vertices, body.faces)
    for frame in frames:
        assert abs(_volume(vertices[frame], body.faces) / rest_volume - 1) < 0.1
        assert _overlap(vertices[frame], body.faces) < 0.005


@pytest.mark.parametrize("motion", MOTIONS)
def test_motion_keeps_a_body_a_body(motion: str) -> None:
    body_index = list(MOTIONS).index(motion) % count_bodies()
    _check_clip(body_index, motion, seed=0, frames=[0, 30])


@pytest.mark.slow
@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("body_index", range(count_bodies()))
def test_every_body_does_every_motion(body_index: int, motion: str) -> None:
    for seed in range(3):
        _check_clip(body_index, motion, seed, frames=list(range(0, 60, 6)))


@pytest.mark.parametrize("motion", PLANTED)
def test_planted_feet_do_not_slide(motion: str) -> None:
    body = load_body(5)
    toes = np.flatnonzero([name.startswith("toe") for name in body.names])
    rows = np.isin(np.asarray(body.weights.toarray().argmax(axis=1)), toes)
    places = animate(Clip(5, motion), 40, seed=1)[:, rows]
    assert np.ptp(places, axis=0).max() < 0.01


def test_motion_varies_with_body_and_seed() -> None:
    """Measured where body shape hardly enters: when the highest point rises and falls."""
    heights = [
        animate(Clip(body, "knees"), 30, seed)[..., 1].max(axis=1)
        for body, seed in ((0, 0), (0, 1), (2, 0))
    ]
    curves = [np.diff(height) / np.abs(np.diff(height)).max() for height in heights]
    assert np.abs(curves[0] - curves[1]).max() > 0.2
    assert np.abs(curves[0] - curves[2]).max() > 0.2


def test_shorter_clip_is_the_beginning_of_a_longer_one() -> None:
    np.testing.assert_array_equal(
        animate(Clip(0, "punching"), 5, 0), animate(Clip(0, "punching"), 9, 0)[:5]
    )


@pytest.mark.parametrize("index", [0, count_bodies() - 1])
def test_bodies_are_watertight(index: int) -> None:
    body = load_body(index)
    mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert 0.03 < mesh.volume < 0.2


def test_unknown_body_is_refused() -> None:
    with pytest.raises(ValueError, match="within 0 to 9, got 10"):
        load_body(10)


def test_two_bones_reach_their_target() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(50, 3))
    target *= rng.uniform(0.3, 0.9, (50, 1)) / np.linalg.norm(target, axis=1, keepdims=True)
    pole = np.tile([0.0, 0.0, 1.0], (50, 1))
    middle, end = solve_two_bones(np.zeros((50, 3)), target, 0.5, 0.45, pole)
    np.testing.assert_allclose(end, target, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 0.5)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=1), 0.45)
    along = target / np.linalg.norm(target, axis=1, keepdims=True)
    assert np.all(middle[:, 2] > np.sum(middle * along, axis=1) * along[:, 2])


def test_labels_of_a_body_equal_exact_winding_numbers() -> None:
    body = load_body(4)
    vertices = animate(Clip(4, "chicken_wings"), 12, 0)[11].astype(np.float64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    points = low + (high - low) * np.random.default_rng(1).random((400, 3))
    exact = np.asarray(igl.winding_number(vertices, body.faces, points)) > 0.5
    np.testing.assert_array_equal(label_points(vertices, body.faces, points), exact)
    assert 0 < exact.sum() < len(exact)


def test_layout_of_a_frame(dataset: Path) -> None:
    clip = dataset / CATEGORY / "00_knees"
    assert sorted(path.name for path in clip.iterdir()) == [
        "complete.json",
        "mesh_seq",
        "pcl_seq",
        "points_near_seq",
        "points_seq",
    ]
    names = ["00000000.npz", "00000001.npz", "00000002.npz"]
    assert sorted(path.name for path in (clip / "pcl_seq").iterdir()) == names
    assert sorted(path.name for path in (clip / "points_seq").iterdir()) == names
    with np.load(clip / "pcl_seq" / names[1]) as file:
        assert {key: file[key].dtype for key in file} == {
            "points": np.float16,
            "normals": np.float16,
            "loc": np.float16,
            "scale": np.float64,
        }
        assert file["points"].shape == file["normals"].shape == (200, 3)
        assert file["scale"].shape == ()
    with np.load(clip / "points_seq" / names[1]) as file:
        assert file["points"].dtype == file["loc"].dtype == np.float16
        assert file["points"].shape == (400, 3)
        assert file["occupancies"].dtype == np.uint8
        assert file["occupancies"].shape == (50,)
        assert np.abs(file["points"]).max() <= 0.55
    with np.load(clip / "points_near_seq" / names[1]) as file:
        assert file["points"].shape == (100, 3)
        share = np.unpackbits(file["occupancies"])[:100].mean()
        assert 0.2 < share < 0.7


def test_stored_labels_agree_with_the_written_mesh(dataset: Path) -> None:
    clip = dataset / CATEGORY / "01_punching"
    vertices, faces = _read_mesh(clip / "mesh_seq" / "00002.obj")
    path = clip / "points_seq" / "00000002.npz"
    points = _world_points(path)
    with np.load(path) as file:
        stored = np.unpackbits(file["occupancies"])[: len(points)].astype(bool)
        normalised = (vertices - file["loc"].astype(float)) / file["scale"]
    exact = np.asarray(igl.winding_number(vertices, faces, points)) > 0.5
    np.testing.assert_array_equal(stored, exact)
    low, high = normalised.min(axis=0), normalised.max(axis=0)
    assert (high - low).max() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose((low + high) / 2, 0.0, atol=1e-3)  # loc is rounded to float16


def test_surface_rows_are_the_same_places_in_every_frame(dataset: Path) -> None:
    """Carry each point from one frame's mesh to the next by face and weights."""
    clip = dataset / CATEGORY / "00_punching"
    first, last = (_world_points(clip / "pcl_seq" / f"{frame:08d}.npz") for frame in (0, 2))
    vertices, faces = _read_mesh(clip / "mesh_seq" / "00000.obj")
    moved, _ = _read_mesh(clip / "mesh_seq" / "00002.obj")
    squared, face, nearest = igl.point_mesh_squared_distance(first, vertices, faces)
    assert np.sqrt(np.max(squared)) < 1e-3  # float16 rounds by up to half a millimetre
    corners = faces[np.asarray(face)]
    weights = trimesh.triangles.points_to_barycentric(vertices[corners], np.asarray(nearest))
    carried = np.einsum("nk,nkd->nd", weights, moved[corners])
    assert np.linalg.norm(carried - last, axis=1).max() < 3e-3
    assert np.linalg.norm(first - last, axis=1).max() > 5e-3, "the body moves"


def test_stored_normals_are_unit_and_outward(dataset: Path) -> None:
    clip = dataset / CATEGORY / "00_punching"
    vertices, faces = _read_mesh(clip / "mesh_seq" / "00001.obj")
    points = _world_points(clip / "pcl_seq" / "00000001.npz")
    with np.load(clip / "pcl_seq" / "00000001.npz") as file:
        normals = file["normals"].astype(float)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=2e-3)
    assert np.mean(_winding_numbers(vertices, faces, points + 4e-3 * normals) == 0) > 0.97
    assert np.mean(_winding_numbers(vertices, faces, points - 4e-3 * normals) == 1) > 0.97


def test_obj_text_reads_back() -> None:
    vertices = np.array([[0.0, -1.234567, 12.000001], [-0.000001, 1.9999999, -123.5]])
    lines = obj_vertices(vertices).decode().splitlines()
    assert [line.split()[0] for line in lines] == ["v", "v"]
    read = np.array([[float(word) for word in line.split()[1:]] for line in lines])
    np.testing.assert_allclose(read, vertices, atol=5.1e-7)


def test_normalisation_uses_the_stored_centre() -> None:
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 1.7003, 0.4]], dtype=np.float32)
    normalisation = normalisation_of(vertices)
    np.testing.assert_array_equal(normalisation.loc, normalisation.loc.astype(np.float16))
    back = normalisation.to_world(normalisation.from_world(vertices))
    np.testing.assert_allclose(back, vertices, atol=1e-7)


def test_normals_point_outward() -> None:
    body = load_body(0)
    normals = face_normals(body.vertices, body.faces)
    centres = body.vertices[body.faces].mean(axis=1)
    outward = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    sample = slice(None, None, 20)
    numbers = _winding_numbers(body.vertices, body.faces, (centres + 1e-3 * outward)[sample])
    assert np.mean(numbers == 0) > 0.98


def test_same_bytes_for_any_number_of_workers(dataset: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, SMALL_SET, workers=2)
    assert digests(tmp_path) == digests(dataset)


def test_seed_changes_content(tmp_path: Path, dataset: Path) -> None:
    clip = ClipSettings(seed=4, frames=1, surface_points=20, occupancy_points=20)
    make_dataset(tmp_path, DatasetSettings(2, ("hips", "knees", "punching"), clip, "none"))
    path = Path(CATEGORY) / "00_hips" / "points_seq" / "00000000.npz"
    with np.load(tmp_path / path) as one, np.load(dataset / path) as other:
        assert not np.array_equal(one["points"], other["points"][:20])
    assert not (tmp_path / CATEGORY / "00_hips" / "mesh_seq").exists()


def test_meshes_of_held_out_clips_only(tmp_path: Path) -> None:
    clip = ClipSettings(frames=1, surface_points=20, occupancy_points=20)
    make_dataset(tmp_path, DatasetSettings(2, ("hips", "knees", "punching"), clip, "held-out"))
    with_meshes = {path.parent.name for path in (tmp_path / CATEGORY).glob("*/mesh_seq")}
    splits = split_clips(2, ("hips", "knees", "punching"))
    held_out = splits["test"] + splits["test_new_individual"]
    assert with_meshes == {clip.name for clip in held_out}


def run_make_bodies(arguments: list[str]) -> int:
    return exit_status(make_bodies.main, arguments)


def test_interrupted_run_goes_on(dataset: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, SMALL_SET)
    clip = tmp_path / CATEGORY / "00_knees"
    kept = clip / "pcl_seq" / "00000000.npz"
    before = kept.stat().st_mtime_ns
    (clip / "complete.json").rename(clip / STARTED_NOTE)
    (clip / "points_seq" / "00000001.npz").unlink()
    (clip / "mesh_seq" / "00002.obj").rename(clip / "mesh_seq" / "00002.obj.0123456789ab.tmp")
    make_dataset(tmp_path, SMALL_SET)
    assert digests(tmp_path) == digests(dataset)
    assert kept.stat().st_mtime_ns == before


def test_interrupt_stops_between_frames(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(tmp_path), "--bodies", "2", "--motions", "hips", "knees", "punching"]
    arguments += ["--frames", "3", "--surface-points", "200", "--occupancy-points", "400"]
    arguments += ["--seed", "3", "--near-surface-points", "100"]
    calls = iter(range(100))

    def label_or_interrupt(*arrays: np.ndarray) -> np.ndarray:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return label_points(*arrays)

    with monkeypatch.context() as patch:
        patch.setattr("im2mesh.data.frame_files.label_points", label_or_interrupt)
        assert run_make_bodies(arguments) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert run_make_bodies(arguments) == 0
    assert digests(tmp_path) == digests(dataset)


def test_other_settings_are_refused_until_overwrite(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(tmp_path), "--bodies", "2", "--motions", "hips", "knees", "punching"]
    arguments += ["--surface-points", "20", "--occupancy-points", "20", "--meshes", "none"]
    assert run_make_bodies([*arguments, "--frames", "1"]) == 0
    assert run_make_bodies([*arguments, "--frames", "2"]) == 2
    error = capsys.readouterr().err
    assert "frames 1 there, 2 asked for" in error
    assert "--overwrite" in error
    mine = [tmp_path / CATEGORY / name for name in ("00_hips/notes.txt", "50002_hips/00000.npz")]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
    assert run_make_bodies([*arguments, "--frames", "2", "--overwrite"]) == 0
    assert [path.read_text() for path in mine] == ["precious", "precious"]
    assert json.loads((tmp_path / "dataset.json").read_text())["frames"] == 2
    assert len(list((tmp_path / CATEGORY / "00_hips" / "pcl_seq").iterdir())) == 2


TINY = ["--bodies", "3", "--motions", "hips", "shake_arms", "--frames", "2"]
TINY += ["--surface-points", "50", "--occupancy-points", "50"]


def test_overwrite_removes_what_the_notes_list_and_nothing_else(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "syn", tmp_path / "elsewhere" / "linked"
    assert run_make_bodies([str(root), *TINY]) == 0
    bodies = root / CATEGORY
    before = digests(root)
    mine = [
        bodies / "00_hips" / "mesh_seq" / "00099.obj",
        bodies / "00_hips" / "mesh_seq" / "00000.npz",
        bodies / "07_hips" / "pcl_seq" / "00000007.npz",
        elsewhere / "pcl_seq" / "00000000.npz",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    (bodies / "08_shake_arms").symlink_to(elsewhere)
    assert run_make_bodies([str(root), *TINY, "--seed", "1", "--overwrite"]) == 0
    assert [path.read_text() for path in mine] == ["precious"] * 4
    after = digests(root)
    changed = {name for name in before if after[name] != before[name]}
    assert {name for name in before if name.endswith((".npz", ".obj"))} <= changed


def test_overwrite_follows_no_links(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Here a clip of ours was moved to another disk, or belongs to another data set."""
    root, elsewhere = tmp_path / "syn", tmp_path / "elsewhere"
    assert run_make_bodies([str(root), *TINY]) == 0
    (root / CATEGORY / "01_hips").rename(elsewhere)
    (root / CATEGORY / "01_hips").symlink_to(elsewhere)
    before = digests(tmp_path)
    assert run_make_bodies([str(root), *TINY, "--seed", "1", "--overwrite"]) == 2
    assert "01_hips is a link, which --overwrite does not follow" in capsys.readouterr().err
    assert digests(tmp_path) == before
    assert run_make_bodies([str(root), *TINY]) == 0  # it is read through the link
    assert digests(tmp_path) == before


def test_a_half_written_clip_is_replaced(tmp_path: Path) -> None:
    """As it is left by a run that was killed: only the note of its start tells whose it is."""
    assert run_make_bodies([str(tmp_path), *TINY]) == 0
    clip = tmp_path / CATEGORY / "00_hips"
    (clip / "complete.json").rename(clip / STARTED_NOTE)
    (clip / "points_seq" / "00000001.npz").unlink()
    before = (clip / "pcl_seq" / "00000000.npz").read_bytes()
    assert run_make_bodies([str(tmp_path), *TINY, "--seed", "1", "--overwrite"]) == 0
    assert (clip / "pcl_seq" / "00000000.npz").read_bytes() != before
    assert (clip / "complete.json").is_file() and not (clip / STARTED_NOTE).exists()


@pytest.mark.parametrize("note", [None, "{}", '{"name": "my clip"}', "no json"])
def test_frames_of_somebody_else_are_not_taken_for_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture, note: str | None
) -> None:
    assert run_make_bodies([str(tmp_path), *TINY]) == 0
    clip = tmp_path / CATEGORY / "03_hips"
    mine = clip / "pcl_seq" / "00000000.npz"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    if note is not None:
        (clip / "complete.json").write_text(note)
    more = ["--bodies", "4", *TINY[2:]]
    for arguments in (more, [*more, "--seed", "1", "--overwrite"]):
        assert run_make_bodies([str(tmp_path), *arguments]) == 2
        assert "03_hips" in capsys.readouterr().err
        assert mine.read_text() == "precious"


@pytest.mark.parametrize("content", ['{"name": "my data"}', "[]", "no json"])
def test_a_description_of_somebody_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: str
) -> None:
    mine = tmp_path / CATEGORY / "00_hips" / "pcl_seq" / "00000000.npz"
    mine.parent.mkdir(parents=True)
    for path in (mine, tmp_path / "dataset.json"):
        path.write_text(content)
    for arguments in (TINY, [*TINY, "--overwrite"]):
        assert run_make_bodies([str(tmp_path), *arguments]) == 2
        assert "dataset.json was not written by this script" in capsys.readouterr().err
    assert [path.read_text() for path in (mine, tmp_path / "dataset.json")] == [content] * 2


def test_split_files_of_a_user_stay(tmp_path: Path, capsys) -> None:
    assert run_make_bodies([str(tmp_path), *TINY]) == 0
    train, val = (tmp_path / CATEGORY / f"{name}.lst" for name in ("train", "val"))
    train.write_text("00_hips\n")
    val.unlink()
    for arguments in (TINY, [*TINY, "--seed", "1", "--overwrite"]):
        assert run_make_bodies([str(tmp_path), *arguments]) == 0
        assert "train.lst stays as it is" in capsys.readouterr().err
        assert train.read_text() == "00_hips\n"
        assert val.read_text() != ""


def test_split_files_of_ours_follow_the_bodies(tmp_path: Path) -> None:
    assert run_make_bodies([str(tmp_path), *TINY]) == 0
    test = tmp_path / CATEGORY / "test_new_individual.lst"
    assert test.read_text() == "02_hips\n02_shake_arms\n"
    assert run_make_bodies([str(tmp_path), "--bodies", "4", *TINY[2:]]) == 0
    assert test.read_text() == "03_hips\n03_shake_arms\n"


def test_lists_of_another_plan_go_with_its_clips(tmp_path: Path) -> None:
    folder = tmp_path / CATEGORY
    write_split_files(folder, {"test_ten_bodies": [Clip(0, "hips")], "train": [Clip(1, "hips")]})
    (folder / "mine.lst").write_text("00_hips\n")
    write_split_files(folder, {"train": [Clip(0, "hips"), Clip(1, "hips")]})
    assert sorted(path.name for path in folder.glob("*.lst")) == ["mine.lst", "train.lst"]
    assert (folder / "train.lst").read_text() == "00_hips\n01_hips\n"


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / CATEGORY).mkdir()
    with pytest.raises(ValueError, match="is not a data set of this script"):
        make_dataset(tmp_path, SMALL_SET, overwrite=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--bodies", "11"], "within 2 to 10, the number of baked bodies, got 11"),
        (["--bodies", "1"], "at least 2, got 1"),
        (["--motions", "hip"], "did you mean hips"),
        (["--motions", "hips"], "leave train empty"),
        (["--motions", "hips", "hips"], "must differ"),
        (["--frames", "0"], "frames must be at least 1, got 0"),
        (["--near-surface-sigma", "0"], "near_surface_sigma must be positive"),
        (["--workers", "0"], "workers must be at least 1"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture, change: list[str], message: str
) -> None:
    assert run_make_bodies([str(tmp_path / "out"), *change]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("num_bodies", range(2, 11))
@pytest.mark.parametrize("num_motions", [2, 3, 5, 14])
def test_splits_are_disjoint_and_complete(num_bodies: int, num_motions: int) -> None:
    motions = tuple(MOTIONS)[:num_motions]
    if num_bodies == 2 and num_motions == 2:
        with pytest.raises(ValueError, match="use at least 3 motions, or 2 motions and 3 bodies"):
            split_clips(num_bodies, motions)
        return
    splits = split_clips(num_bodies, motions)
    parts = [splits[name] for name in ("train", "val", "test", "test_new_individual")]
    together = [clip for part in parts for clip in part]
    assert all(parts)
    assert len(together) == len(set(together)) == num_bodies * num_motions
    assert {clip.body for clip in splits["test_new_individual"]} == {num_bodies - 1}
    assert {clip.body for clip in splits["test"]} == set(range(num_bodies - 1))
    assert set(splits["train_generative"]) == set(together) - set(splits["val"])
    assert len(splits["overfit"]) == 1
    assert splits["overfit"][0] in splits["train"]


def test_full_split_resembles_the_official_one() -> None:
    splits = split_clips(10, tuple(MOTIONS))
    counts = {name: len(clips) for name, clips in splits.items()}
    assert counts["test"] == 9
    assert counts["test_new_individual"] == 14
    assert counts["val"] == 6
    assert counts["train"] == 111
    assert len({clip.motion for clip in splits["test"]}) == 9
    assert splits["overfit"][0].motion == "one_leg_jump"


def test_split_files(dataset: Path) -> None:
    assert _clips(dataset, "test_new_individual") == ["01_hips", "01_knees", "01_punching"]
    names = {name for split in ("train", "val", "test") for name in _clips(dataset, split)}
    assert names == {"00_hips", "00_knees", "00_punching"}
