"""Clouds as scanners leave them: understood, or refused with the name of the frame."""

import gzip
import warnings

import numpy as np
import pytest

from im2mesh.data.scans import guess_unit, guess_up, most_seen, read_scan, rows_correspond
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.io import write_mesh
from tests.meshing.test_more_formats import pcd


def person(count: int, seed: int = 0) -> np.ndarray:
    """Points in a box of the size of a person, metres, y up."""
    rng = np.random.default_rng(seed)
    return rng.uniform([-0.25, 0, -0.15], [0.25, 1.7, 0.15], (count, 3))


def beside(count: int, shift: float) -> np.ndarray:
    """A person who stands so many metres to the right."""
    return person(count) + np.array([shift, 0, 0])


def write_xyz(path, points) -> None:
    np.savetxt(path, points)


def rows(points, before="") -> bytes:
    return "".join(f"{before}{x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in points).encode()


def ply(points) -> bytes:
    columns = "".join(f"property float {axis}\n" for axis in "xyz")
    head = f"ply\nformat binary_big_endian 1.0\nelement vertex {len(points)}\n{columns}end_header\n"
    return head.encode() + points.astype(">f4").tobytes()


AS_FILE = {
    "xyz": rows,
    "ply": ply,
    "obj": lambda points: rows(points, "v "),
    "pcd": lambda points: pcd([(axis, points[:, k]) for k, axis in enumerate("xyz")], "binary"),
}


@pytest.fixture
def folder(tmp_path):
    for k, count in enumerate((300, 500, 400)):
        write_xyz(tmp_path / f"scan_{k}.xyz", person(count, k))
    return tmp_path


def test_clouds_may_have_any_sizes_and_formats(tmp_path):
    write_xyz(tmp_path / "a_1.xyz", person(300))
    no_faces = np.zeros((0, 3), np.int32)
    write_mesh(tmp_path / "a_2.ply", person(200).astype(np.float32), no_faces)
    write_mesh(tmp_path / "a_5.obj", person(100).astype(np.float32), no_faces)
    packed = gzip.compress((tmp_path / "a_1.xyz").read_bytes())
    (tmp_path / "a_6.xyz.gz").write_bytes(packed)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    scan = read_scan([tmp_path])
    assert [len(cloud) for cloud in scan.clouds] == [300, 200, 100, 300]
    assert scan.times.tolist() == [1, 2, 5, 6]  # the gap is a gap in time
    np.testing.assert_array_equal(scan.clouds[0], scan.clouds[3])


def test_files_are_read_in_their_order_and_an_npz_frame_by_frame(folder, tmp_path):
    files = [folder / "scan_2.xyz", folder / "scan_0.xyz"]
    assert [len(cloud) for cloud in read_scan(files).clouds] == [400, 300]
    points = np.stack([person(50), person(50, 1)])
    np.savez(tmp_path / "clip.npz", points=points)
    scan = read_scan([tmp_path / "clip.npz"])
    np.testing.assert_array_equal(np.stack(scan.clouds), points)
    np.savez(tmp_path / "other.npz", vertices=points)
    with pytest.raises(UserError, match=r"other.npz must hold an array points \[T, N, 3\]"):
        read_scan([tmp_path / "other.npz"])


def test_a_clip_of_a_data_set_is_read_in_the_world(tmp_path):
    for k in range(2):
        points = ((person(50, k) - [1, 2, 3]) / 1.7).astype(np.float32)
        np.savez(tmp_path / f"{k + 166:08d}.npz", points=points, loc=[1.0, 2, 3], scale=1.7)
    scan = read_scan([tmp_path])
    assert scan.times.tolist() == [166, 167]
    np.testing.assert_allclose(scan.clouds[1], person(50, 1), atol=1e-6)
    np.savez(tmp_path / "00000167.npz", points=np.zeros((2, 5)))
    with pytest.raises(UserError, match=r"167\.npz must hold an array points \[N, 3\]"):
        read_scan([tmp_path])


def test_positions_far_from_0_keep_their_digits(tmp_path):
    origin = np.array([500_000.0, 30.0, 5_400_000.0])
    for k in range(2):
        np.savetxt(tmp_path / f"{k}.xyz", person(20, k) + origin, fmt="%.6f")
    scan = read_scan([tmp_path])
    np.testing.assert_allclose(scan.clouds[1] - origin, person(20, 1), atol=1e-6)


def test_points_that_are_none_are_left_out_and_told(folder):
    points = person(300)
    points[:7] = np.nan
    np.savez(folder / "clip.npz", points=np.stack([points, person(300)]))
    with pytest.warns(Advice, match=r"7 points are left out \(NaN, infinity, or .*in .*frame 0"):
        scan = read_scan([folder / "clip.npz"])
    assert [len(cloud) for cloud in scan.clouds] == [293, 300]


@pytest.mark.parametrize("name", ["{}.xyz", "{}.pcd", "{}.ply", "{}.obj", "{}.ply.gz"])
def test_rows_of_a_depth_camera_without_a_point_are_left_out_of_files(tmp_path, name):
    """NaN, or 0 0 0, which is a point where there is only one of it."""
    clouds = [person(50, k).astype(np.float32) for k in range(3)]
    clouds[0][0] = 0
    clouds[1][[3, 7]] = np.nan
    clouds[2][[2, 4, 6]] = 0
    for k, cloud in enumerate(clouds):
        content = AS_FILE[name.split(".")[1]](cloud)
        packed = gzip.compress(content) if name.endswith("gz") else content
        (tmp_path / name.format(k)).write_bytes(packed)
    with pytest.warns(Advice, match=r"5 points are left out .*, most of them in .*2\."):
        scan = read_scan([tmp_path])
    kept = [clouds[0], np.delete(clouds[1], [3, 7], 0), np.delete(clouds[2], [2, 4, 6], 0)]
    for found, expected in zip(scan.clouds, kept, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_with_gaps_at_other_places_do_not_correspond(tmp_path):
    first = np.sort(person(200), axis=0)  # so that neighbouring rows are near each other
    for row, other, expected in ((5, 5, True), (0, 199, False)):
        stacked = np.stack([first, first + 0.01])
        stacked[0, row] = stacked[1, other] = np.nan
        np.savez(tmp_path / "clip.npz", points=stacked)
        with pytest.warns(Advice, match="points are left out"):
            scan = read_scan([tmp_path / "clip.npz"])
        assert len(scan.clouds[0]) == len(scan.clouds[1])
        assert rows_correspond(scan) == expected


def test_what_may_be_a_frame_and_is_not_read_is_told(folder):
    for name in ("scan_0.mtl", "scan_1.jpg", "notes.txt", ".DS_Store", "Thumbs.db", "._scan_3.xyz"):
        (folder / name).write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_scan([folder])
    (folder / "scan_3.e57").write_bytes(b"x")
    with pytest.warns(Advice, match=r"also holds scan_3\.e57, of no format that is read"):
        assert len(read_scan([folder]).clouds) == 3


@pytest.mark.parametrize(
    ("loc", "scale", "message"),
    [([0, 0, 0], -1.0, "scale must be a positive"), ([0, 0, np.nan], 1.0, "loc must be 3 numbers")],
)
def test_a_place_that_is_none_is_refused(tmp_path, loc, scale, message):
    np.savez(tmp_path / "3.npz", points=person(50), loc=np.array(loc, float), scale=scale)
    with pytest.raises(UserError, match=rf"3\.npz: {message}"):
        read_scan([tmp_path])


def test_clouds_that_float32_has_bent_are_told(tmp_path):
    origin = np.array([500_000.0, 30.0, 5_400_000.0])
    far = (np.stack([person(50)] * 2) + origin).astype(np.float32)
    with (tmp_path / "CLIP.NPZ").open("wb") as file:
        np.savez(file, points=far)
    with pytest.warns(Advice, match=r"CLIP\.NPZ: its positions are float32 and so far from 0"):
        read_scan([tmp_path / "CLIP.NPZ"])


def test_times_come_from_a_file(folder):
    times = folder / "times.txt"
    times.write_text("\ufeff0\n0.04\n0.12\n", encoding="utf-8")
    scan = read_scan([folder], times)
    assert scan.times.tolist() == [0, 0.04, 0.12] and scan.in_seconds
    assert not read_scan([folder]).in_seconds
    for text, message in (
        ("0 1", "has 2 times for 3 frames; one for each"),
        ("0 2 1", "times must increase, and do not at frame 2; sort the frames"),
        ("0 a 1", "expected a number, in seconds, for every frame"),
        ("0 nan 1", "times must increase, and do not at frame 1"),
    ):
        times.write_text(text)
        with pytest.raises(UserError, match=message):
            read_scan([folder], times)


@pytest.mark.parametrize(
    ("clouds", "message"),
    [
        ([person(300)], "holds a single frame; a motion needs two or more"),
        ([person(300), person(1)], "frame 1 has 1 points, and a frame needs 9; leave it out"),
        ([person(300), np.full((20, 3), np.nan)], "frame 1 has 0 points"),
        ([person(300), np.ones((20, 3))], "all points of .*frame 1 are in one place"),
        (
            [person(300), beside(300, 3)],
            "frame 0 to .*frame 1 the body jumps by 1.8 times its size: another subject",
        ),
        (
            [person(300), np.concatenate([person(150), beside(150, 1.2)])],
            r"frame 1 shows two bodies, apart from each other \(50% and 50% of the points\)",
        ),
    ],
)
def test_what_cannot_be_one_moving_body_is_refused_by_frame(tmp_path, clouds, message):
    stacked = np.full((len(clouds), max(map(len, clouds)), 3), np.nan)
    for k, cloud in enumerate(clouds):
        stacked[k, : len(cloud)] = cloud
    np.savez(tmp_path / "clip.npz", points=stacked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Advice)  # of points that are none
        with pytest.raises(UserError, match=message):
            read_scan([tmp_path / "clip.npz"])


def test_a_folder_without_clouds_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds no numbered .*but notes\.txt"):
        read_scan([tmp_path])


def test_sparse_clouds_of_one_body_are_one_body(tmp_path):
    for k in range(2):
        write_xyz(tmp_path / f"{k}.xyz", person(60, k))
    assert len(read_scan([tmp_path]).clouds) == 2


def test_axes_and_units_are_guessed_and_overridden(tmp_path):
    turned = 1000 * person(300)[:, [0, 2, 1]]
    np.savez(tmp_path / "clip.npz", points=np.stack([turned, turned]))
    scan = read_scan([tmp_path / "clip.npz"])
    assert (guess_up(scan, "auto"), guess_unit(scan, "auto")) == ("z", "mm")
    assert (guess_up(scan, "y"), guess_unit(scan, "cm")) == ("y", "cm")
    np.savez(tmp_path / "clip.npz", points=np.stack([person(300)] * 2))
    scan = read_scan([tmp_path / "clip.npz"])
    assert (guess_up(scan, "auto"), guess_unit(scan, "auto")) == ("y", "m")


def test_rows_are_known_to_correspond_or_not(tmp_path):
    tracked = np.stack([beside(300, 0.02 * k) for k in range(3)])
    np.savez(tmp_path / "tracked.npz", points=tracked)
    np.savez(tmp_path / "others.npz", points=np.stack([person(300, k) for k in range(3)]))
    assert rows_correspond(read_scan([tmp_path / "tracked.npz"]))
    assert not rows_correspond(read_scan([tmp_path / "others.npz"]))


def test_the_key_frame_shows_most_of_the_body():
    whole = person(2000)
    assert most_seen([whole[whole[:, 2] > 0], whole, whole[:300]]) == 1


@pytest.mark.parametrize("up", [1, 2])
def test_a_floor_is_told(tmp_path, up):
    rng = np.random.default_rng(0)
    floor = rng.uniform([-1.5, -0.005, -1.5], [1.5, 0.005, 1.5], (300, 3))
    for number in range(2):
        points = np.concatenate([person(700, number), floor])
        write_xyz(tmp_path / f"{number}.xyz", points if up == 1 else points[:, [0, 2, 1]])
    with pytest.warns(Advice, match="32% of the points lie in a flat layer that reaches"):
        read_scan([tmp_path])


def test_an_array_of_another_name_is_no_cloud(tmp_path):
    np.savez(tmp_path / "0.npz", pts=person(50))
    np.savez(tmp_path / "1.npz", points=person(50))
    with pytest.raises(UserError, match=r"0\.npz must hold an array points \[N, 3\], it has none"):
        read_scan([tmp_path])
