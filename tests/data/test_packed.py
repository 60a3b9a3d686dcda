"""Packed clips give what their files gave, and broken ones name themselves."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.slow_disk import slow_disk
from im2mesh.config.schema import DataConfig
from im2mesh.data import storage
from im2mesh.data.batch import Sample
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.fingerprint import dataset_fingerprint, fingerprint_of
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import DataError, Window
from im2mesh.data.manifest import MANIFEST
from im2mesh.data.pack_clip import pack_clip
from im2mesh.data.storage import open_arrays
from im2mesh.data.windows import read_windows
from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.preparation.pack_dataset import pack_dataset
from im2mesh.synthesis.removal import remove_clips
from scripts.pack_dataset import main
from tests.ball import CATEGORY, write_ball_dataset, write_ball_images
from tests.readers import forget_files, npy

WINDOW = Window(CATEGORY, "ball_b", 3, 5)
ROWS = np.array([5, 99, 7, 0])
KINDS = ("pcl_seq", "points_near_seq", "points_seq")


@pytest.fixture(scope="module")
def files_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("files") / "data"
    write_ball_dataset(root)
    return root


@pytest.fixture(scope="module")
def packed_root(files_root) -> Path:
    root = files_root.parent / "packed"
    pack_dataset(files_root, root)
    return root


@pytest.fixture
def root(packed_root, tmp_path) -> Path:
    """Packed data that a test may damage."""
    shutil.copytree(packed_root, tmp_path / "data")
    forget_files()
    return tmp_path / "data"


@pytest.fixture
def files(files_root, tmp_path) -> Path:
    """Files that a test may damage."""
    shutil.copytree(files_root, tmp_path / "files")
    forget_files()
    return tmp_path / "files"


def packed(root: Path, folder: str = "pcl_seq") -> Path:
    return root / CATEGORY / "ball_b" / f"{folder}.npz"


def samples(root: Path, *, shuffle: bool = True, **changes) -> list[Sample]:
    settings = {
        "num_frames": 5,
        "skip_frames": 0,
        "num_input_points": 20,
        "num_points": 30,
        "num_correspondence_points": 10,
        **changes,
    }
    config = DataConfig(root=str(root), **settings)
    step = config.frame_step
    found = read_windows(root, "train", num_frames=5, stride=1, skip_frames=0, frame_step=step)
    data = WindowDataset(found, config, seed=0, shuffle=shuffle, num_points=30)
    return [data[draw] for draw in range(2 * len(data) if shuffle else len(data))]


def assert_same_samples(ours: list[Sample], theirs: list[Sample]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert vars(one).keys() == vars(other).keys()
        for name, value in vars(one).items():
            if isinstance(value, np.ndarray):
                expected = getattr(other, name)
                assert value.dtype == expected.dtype and value.tobytes() == expected.tobytes()
            else:
                assert value == getattr(other, name)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shuffle": False},
        {"near_surface_fraction": 0.5},
        {"frame_step": 2},
        {"input_pointcloud_corresponding": False, "num_correspondence_points": 0},
        {"num_input_frames": 3, "input_frames": "random", "input_noise": 0.0},
        {"input_cameras": 1, "input_hole": 0.1},
        {"input_variety": 1.0},
    ],
)
def test_samples_are_the_same_bit_for_bit(files_root, packed_root, changes):
    assert_same_samples(samples(packed_root, **changes), samples(files_root, **changes))


def test_windows_are_the_same_bit_for_bit(files_root, packed_root):
    """What evaluation and pictures read."""
    ours, theirs = StoredWindow(packed_root, WINDOW), StoredWindow(files_root, WINDOW)
    assert ours.has_labels() and ours.frame.scale == theirs.frame.scale
    assert ours.frame.loc.tobytes() == theirs.frame.loc.tobytes()
    for rows in (ROWS, ROWS - 100, np.arange(0)):
        assert ours.trajectories(rows).tobytes() == theirs.trajectories(rows).tobytes()
    assert ours.trajectories(ROWS, [0, 4]).tobytes() == theirs.trajectories(ROWS, [0, 4]).tobytes()
    for frame in range(5):
        one, other = ours.surface_points(frame), theirs.surface_points(frame)
        assert one.points.tobytes() == other.points.tobytes()
        assert one.normals is not None and other.normals is not None
        assert one.normals.tobytes() == other.normals.tobytes()
        rows = ours.surface_rows(frame, ROWS)
        assert rows.tobytes() == theirs.surface_rows(frame, ROWS).tobytes()
        for folder in ("points_seq", "points_near_seq"):
            assert ours.count_points(frame, folder) == theirs.count_points(frame, folder)
            labels = ours.labelled_points(frame, ROWS, folder)
            expected = theirs.labelled_points(frame, ROWS, folder)
            assert labels.points.tobytes() == expected.points.tobytes()
            assert labels.occupancy.tobytes() == expected.occupancy.tobytes()
    for rows in (np.array([600]), np.array([-601])):
        with pytest.raises(IndexError):
            ours.trajectories(rows)
    with pytest.raises(DataError, match="clip ball_b: no frame 8; it has 12 frames"):
        StoredWindow(packed_root, WINDOW).surface_points(5)


def test_windows_splits_and_fingerprints_are_the_same(files_root, packed_root):
    for split in ("train", "val", "all"):
        options = {"num_frames": 5, "stride": 1, "skip_frames": 0}
        found = read_windows(packed_root, split, **options)
        assert found == read_windows(files_root, split, **options)
        assert dataset_fingerprint(packed_root, found) == dataset_fingerprint(files_root, found)


def test_there_is_one_file_for_each_clip_and_kind(packed_root, files_root):
    found = sorted(path.name for path in (packed_root / CATEGORY / "ball_b").iterdir())
    assert found == [f"{kind}.npz" for kind in KINDS]
    with np.load(packed(packed_root)) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files if name != MANIFEST}
        manifest = json.loads(arrays[MANIFEST].tobytes())
        points = arrays["points"]
    assert shapes == {
        "points": (12, 600, 3),
        "normals": (12, 600, 3),
        "loc": (12, 3),
        "scale": (12,),
    }
    assert manifest["frames"] == list(range(7, 19)) and manifest["names"][0] == "00000007.npz"
    with np.load(files_root / CATEGORY / "ball_b" / "pcl_seq" / "00000012.npz") as arrays:
        np.testing.assert_array_equal(points[5], arrays["points"])
    assert open_arrays(str(packed(packed_root)))["points"].flags.aligned


def test_packing_again_gives_the_same_bytes_and_changes_nothing(files_root, packed_root, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in packed_root.rglob("*")}
    sources = {path: path.stat().st_mtime_ns for path in files_root.rglob("*")}
    pack_dataset(files_root, packed_root)
    assert {path: path.stat().st_mtime_ns for path in packed_root.rglob("*")} == before
    assert {path: path.stat().st_mtime_ns for path in files_root.rglob("*")} == sources
    pack_dataset(files_root, tmp_path / "again")
    assert packed(tmp_path / "again").read_bytes() == packed(packed_root).read_bytes()
    pack_dataset(packed_root, tmp_path / "copy")
    assert packed(tmp_path / "copy").read_bytes() == packed(packed_root).read_bytes()


def test_a_sample_opens_one_file_of_each_kind(files_root, packed_root):
    """Nor is a packed file looked at by name before: over a network each of both takes a while."""
    for root, count in ((packed_root, 2), (files_root, 7)):
        samples(root)  # now all folders are listed, as after the first sample of a clip
        storage._open_file.cache_clear()
        with slow_disk(root, latency=0) as calls:
            stored = StoredWindow(str(root), WINDOW)
            stored.trajectories(ROWS)
            stored.labelled_points(0, ROWS)
            stored.labelled_points(4, ROWS)
        assert [call.split()[0] for call in calls] == ["open"] * count, calls


def resize(files: Path, folder: str = "pcl_seq") -> None:
    """Give every frame another number of points."""
    for k, path in enumerate(sorted((files / CATEGORY / "ball_b" / folder).iterdir())):
        with np.load(path) as arrays:
            values = dict(arrays)
        kept = 600 - 3 * k if folder == "pcl_seq" else 480 + k
        for name in ("points", "normals"):
            values |= {name: values[name][:kept]} if name in values else {}
        if "occupancies" in values:
            values["occupancies"] = values["occupancies"][: (kept + 7) // 8]
        np.savez(path, **values)


def test_frames_may_differ_in_their_numbers_of_points(files, tmp_path):
    resize(files)
    resize(files, "points_seq")
    pack_dataset(files, tmp_path / "packed")
    forget_files()
    unordered = {"input_pointcloud_corresponding": False, "num_correspondence_points": 0}
    assert_same_samples(samples(tmp_path / "packed", **unordered), samples(files, **unordered))
    ours, theirs = StoredWindow(tmp_path / "packed", WINDOW), StoredWindow(files, WINDOW)
    assert [ours.count_points(frame, "pcl_seq") for frame in range(2)] == [591, 588]
    message = "frame 00000011.npz holds 588 points, the first frame of the window 591; rows of pcl"
    with pytest.raises(DataError, match=rf"clip ball_b: .*pcl_seq\.npz, {message}"):
        ours.trajectories(ROWS)
    one, other = ours.surface_points(4), theirs.surface_points(4)
    assert one.points.tobytes() == other.points.tobytes()
    labels = ours.labelled_points(4)
    assert labels.occupancy.tobytes() == theirs.labelled_points(4).occupancy.tobytes()


def rewrite(files: Path, frame: int = 12, **changes) -> Path:
    path = files / CATEGORY / "ball_b" / "pcl_seq" / f"{frame:08d}.npz"
    with np.load(path) as arrays:
        values = {**arrays, **changes}
    np.savez(path, **{key: value for key, value in values.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"normals": None},
            r"holds points, loc, scale, and .*07\.npz points, normals, loc, scale",
        ),
        ({"color": np.zeros(3)}, "frames are packed if all have the same arrays: write them alike"),
        ({"loc": np.zeros(3)}, r"loc is float64 \[3\], in .*07\.npz float16 \[3\]; frames are"),
        ({"points": np.zeros((600, 2), np.float16)}, r"points is float16 \[600, 2\], in "),
        ({"scale": np.ones(1)}, r"scale is float64 \[1\], in .* float64 \[\]"),
        ({"points": np.array(["a"])}, "expected numbers"),
    ],
)
def test_clips_that_cannot_be_packed_do_not_stop_the_others(
    files, tmp_path, capsys, changes, message
):
    path = rewrite(files, **changes)
    out = tmp_path / "packed"
    with pytest.raises(UserError, match="1 of 5 clips were not packed: balls/ball_b; mend them"):
        pack_dataset(files, out)
    told = capsys.readouterr().out
    assert "not packed: clip ball_b: " in told and str(path) in told
    with pytest.raises(DataError, match=message):
        pack_clip(files / CATEGORY / "ball_b", tmp_path / "clip")
    done = sorted(path.parent.name for path in out.glob("*/*/pcl_seq.npz"))
    assert done == ["ball_a", "ball_c", "ball_d", "ball_e"] and not list(out.rglob("*.lst"))
    shutil.copy(path.with_name("00000011.npz"), path)
    forget_files()
    pack_dataset(files, out)  # goes on
    assert len(list(out.glob("*/*/pcl_seq.npz"))) == 5 and len(list(out.rglob("*.lst"))) == 4


def test_damage_that_readers_do_not_notice_is_not_packed(files, tmp_path):
    path = files / CATEGORY / "ball_b" / "points_seq" / "00000012.npz"
    content = bytearray(path.read_bytes())
    content[1000] ^= 255  # one coordinate of one point
    path.write_bytes(content)
    forget_files()
    StoredWindow(files, WINDOW).labelled_points(2, ROWS)
    with pytest.raises(DataError, match=r"clip ball_b: .*12\.npz: 'points' is damaged; copy or"):
        pack_clip(files / CATEGORY / "ball_b", tmp_path / "clip")
    assert not (tmp_path / "clip" / "points_seq.npz").exists()


def test_a_run_that_was_interrupted_goes_on(files, tmp_path, monkeypatch):
    out = tmp_path / "packed"
    calls = iter(range(100))

    def stop(descriptor: int) -> None:
        if next(calls) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "fsync", stop)
        pack_dataset(files, out)
    done = {path: path.stat().st_ino for path in out.rglob("*.npz")}
    assert 0 < len(done) < 15 and not list(out.rglob("*.lst"))
    (out / CATEGORY / "ball_c").mkdir(exist_ok=True)
    left = out / CATEGORY / "ball_c" / f"pcl_seq.npz.{'0' * 12}.tmp"  # of a process that was killed
    left.write_bytes(b"half")
    pack_dataset(files, out)
    assert {path: path.stat().st_ino for path in done} == done and not left.exists()
    assert_same_samples(samples(out), samples(files))


def test_files_of_others_stay(files, tmp_path):
    out = tmp_path / "packed"
    target = packed(out)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"ball_b/pcl_seq\.npz is not an intact.*, or move it away"):
        pack_dataset(files, out)
    np.savez(target, points=np.zeros(3))
    with pytest.raises(UserError, match="has no array 'manifest', so it is no packed clip"):
        pack_dataset(files, out)
    target.unlink()
    (out / CATEGORY / "train.lst").write_text("mine\n")
    with pytest.raises(UserError, match=r"train\.lst exists, and is no copy of .*train\.lst; move"):
        pack_dataset(files, out)
    assert (out / CATEGORY / "train.lst").read_text() == "mine\n"


def test_a_clip_that_changed_since_it_was_packed_is_told(files, root):
    rewrite(files, 7, scale=np.float64(2))
    with pytest.raises(UserError, match=r"pcl_seq\.npz was packed from other files than those of"):
        pack_dataset(files, root)


@pytest.mark.parametrize("where", [".", "inside", ".."])
def test_a_data_set_is_not_packed_into_itself(files, where):
    with pytest.raises(UserError, match="lie in each other; choose a folder beside"):
        pack_dataset(files, files / where)


def test_a_full_disk_is_told_before_anything_is_written(files, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"data will take about .* MB, and .* has .* free; free"):
        pack_dataset(files, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_meshes_images_and_notes_are_copied(files, tmp_path):
    write_ball_images(files, num_views=2, size=16)
    clip = files / CATEGORY / "ball_b"
    (clip / "complete.json").write_text("{}\n")
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))
    (clip / "mesh_seq").mkdir()
    for frame in range(7, 19):
        corners = "".join("v {} {} {}\n".format(*row) for row in mesh.vertices)
        (clip / "mesh_seq" / f"{frame:05d}.obj").write_text(f"{corners}f 1 2 3\n")
    pack_clip(clip, tmp_path / CATEGORY / "ball_b")
    assert fingerprint_of(tmp_path / CATEGORY / "ball_b") == fingerprint_of(clip)
    read = StoredWindow(tmp_path, WINDOW).mesh(2)
    expected = StoredWindow(files, WINDOW).mesh(2)
    assert read is not None and expected is not None
    assert read.vertices.tobytes() == expected.vertices.tobytes()
    images = [path.relative_to(clip) for path in clip.glob("img/*/*.jpg")]
    assert len(images) == 24
    for path in images:
        copy = tmp_path / CATEGORY / "ball_b" / path
        assert copy.read_bytes() == (clip / path).read_bytes()


def test_a_folder_beside_its_packed_file_is_refused(files, root):
    shutil.copytree(files / CATEGORY / "ball_b" / "pcl_seq", root / CATEGORY / "ball_b" / "pcl_seq")
    message = r"clip ball_b has both the folder .*ball_b/pcl_seq and the packed file .*pcl_seq\.npz"
    for read in (
        lambda: samples(root),
        lambda: StoredWindow(root, WINDOW).surface_points(0),
        lambda: frame_numbers(root, CATEGORY, "ball_b"),
    ):
        with pytest.raises(DataError, match=message):
            read()


def test_kinds_may_be_packed_on_their_own(files, root):
    packed(root, "points_seq").unlink()
    folder = files / CATEGORY / "ball_b" / "points_seq"
    shutil.copytree(folder, root / CATEGORY / "ball_b" / "points_seq")
    assert_same_samples(samples(root), samples(files))
    assert fingerprint_of(root / CATEGORY / "ball_b") == fingerprint_of(folder.parent)


def test_a_frame_that_another_kind_lacks_is_named(files, tmp_path):
    (files / CATEGORY / "ball_b" / "points_seq" / "00000018.npz").unlink()
    pack_dataset(files, tmp_path / "packed")
    with pytest.raises(DataError, match=r"points_seq\.npz has no file for frame 18, which"):
        samples(tmp_path / "packed")


@pytest.mark.parametrize("size", [0, 10, 700, -50])
def test_a_packed_file_that_is_cut_short_is_named(root, size):
    packed(root).write_bytes(packed(root).read_bytes()[:size])
    with pytest.raises(DataError, match=r"clip ball_b: .*pcl_seq\.npz is not an intact npz file"):
        samples(root)


def test_a_packed_file_that_is_cut_short_while_it_is_open_is_named(root):
    window = StoredWindow(root, WINDOW)
    window.surface_points(0)
    packed(root).write_bytes(packed(root).read_bytes()[:-50])
    with pytest.raises(DataError, match=r"clip ball_b: .*pcl_seq\.npz is not an intact npz file"):
        window.surface_points(0)


def test_a_packed_file_that_another_one_replaces_is_read_anew(root):
    """Also if it holds fewer frames than there were when folders were listed."""
    window = StoredWindow(root, WINDOW)
    before = window.surface_points(4).points
    other = root / CATEGORY / "ball_a" / "pcl_seq.npz"
    other.replace(packed(root))
    assert window.surface_points(4).points.tobytes() != before.tobytes()


def change_manifest(path: Path, change) -> None:
    """Put another manifest into a file; checksums and all other members stay right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with np.load(path) as arrays:
        content = json.loads(arrays[MANIFEST].tobytes())
    text = change(content)
    text = text if isinstance(text, str) else json.dumps(content)
    members[f"{MANIFEST}.npy"] = npy(np.frombuffer(text.encode(), np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format="other 2"), "is a packed clip of another form, 'other 2'"),
        (lambda m: m.pop("names"), "its manifest does not fit .it has no 'names'"),
        (lambda m: m["frames"].pop(), "its manifest does not fit"),
        (lambda m: m.update(frames=m["frames"][::-1]), "its frames are not numbers that rise"),
        (lambda m: m.update(frames=["a"] * 12), "other things than whole numbers"),
        (lambda m: m["names"].__setitem__(3, "../../x"), "'../../x' is not the name of a file"),
        (lambda m: m["checksums"].update(points=1), "'points' was changed after it was packed"),
        (lambda m: m["checksums"].pop("points"), "it lists .*, the file has .*'points'"),
        (lambda m: m["rows"].update(points=[600] * 11), "does not fit its 12 frames"),
        (lambda m: m["rows"].update(points=[-1] * 12), "does not fit its 12 frames"),
        (lambda m: "[" * 10**5, "its manifest does not fit"),
        (lambda m: "[]", "its manifest does not fit"),
        (lambda m: '"x"', "its manifest does not fit"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(root, change, message):
    change_manifest(packed(root), change)
    with pytest.raises(DataError, match=f"clip ball_b: .*{message}.*") as error:
        samples(root)
    assert str(packed(root)) in str(error.value)
    assert "scripts/pack_dataset.py" in str(error.value)
    with pytest.raises(DataError, match=message):
        fingerprint_of(packed(root).parent)


def test_arrays_that_were_replaced_are_refused(root):
    for changes in ({"points": np.zeros((12, 600, 3), np.float16)}, {"points": None}, {"more": 1}):
        shutil.copy(packed(root.parent / "data", "pcl_seq"), root / "kept.npz")
        with np.load(packed(root)) as arrays:
            values = {**arrays, **changes}
        np.savez(packed(root), **{k: v for k, v in values.items() if v is not None})
        forget_files()
        with pytest.raises(DataError, match=r"its manifest does not fit .*; pack the clip"):
            samples(root)
        shutil.move(root / "kept.npz", packed(root))


def test_a_damaged_manifest_is_noticed(root):
    content = packed(root).read_bytes()
    start = content.index(b"00000012.npz")
    packed(root).write_bytes(content[:start] + b"00000099.npz" + content[start + 12 :])
    with pytest.raises(DataError, match=r"ball_b: .*pcl_seq\.npz"):
        samples(root)


def test_wrong_contents_name_the_frame(files, tmp_path):
    bad = np.zeros((600, 3), np.float16)
    bad[7, 1] = np.inf
    rewrite(files, points=bad)
    rewrite(files, 13, scale=np.float64(0))
    pack_dataset(files, tmp_path / "packed")
    window = StoredWindow(tmp_path / "packed", WINDOW)
    for read in (lambda: window.trajectories(np.arange(9)), lambda: window.surface_points(2)):
        with pytest.raises(DataError, match=r"pcl_seq\.npz, frame 00000012\.npz: points hold NaN"):
            read()
    with pytest.raises(DataError, match=r"frame 00000013\.npz: loc .* not a frame of reference"):
        window.surface_points(3)


def test_a_packed_clip_is_not_overwritten_by_frames(root):
    clip = packed(root).parent.rename(root / CATEGORY / "00_hips")
    settings = {"seed": 0, "frames": 12, "surface_points": 600, "occupancy_points": 1001}
    (clip / "complete.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"pcl_seq\.npz is a packed clip, which --over"):
        remove_clips([clip])
    assert (clip / "complete.json").is_file()


def test_the_command(files, tmp_path, capsys):
    main([str(files), str(tmp_path / "packed")])
    assert "5 clips to pack, about " in capsys.readouterr().out
    assert_same_samples(samples(tmp_path / "packed"), samples(files))
    with pytest.raises(DataError, match=r"data folder .*absent does not exist"):
        main([str(tmp_path / "absent"), str(tmp_path / "out")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no clip, which has a folder pcl_seq"):
        main([str(tmp_path / "empty"), str(tmp_path / "out")])
