"""Files made to do harm: to claim more than they hold, to lead elsewhere, to run something."""

import ast
import io
import json
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from im2mesh.compat.reading import read_official
from im2mesh.config.files import MAX_BYTES, MAX_FILES, read_settings
from im2mesh.data import storage
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import read_images
from im2mesh.data.layout import DataError, Window
from im2mesh.data.storage import StorageError, open_arrays
from im2mesh.data.windows import read_split, read_windows
from im2mesh.errors import ConfigError, UserError
from im2mesh.evaluation.records import read_table
from im2mesh.files import npz as npz_reader
from im2mesh.files.npz import NpzError, locate_arrays, read_arrays
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.meshing.io import read_mesh, write_mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.runs.checkpoints import CheckpointError
from im2mesh.studies.comparison.result import read_result
from tests.ball import CATEGORY, write_ball_dataset, write_ball_images
from tests.mesh_samples import PLY_OF_POLYGONS
from tests.readers import READERS, glb, glb_chunks, npy, npz

LARGE = 10**12  # points; as float32, 12 TB
SQUARE = b"OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
PLY = "ply\nformat {format} 1.0\n{body}end_header\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"


def header(shape: object, dtype: str = "<f4") -> bytes:
    """The head of an .npy file that claims anything."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


def refused(path: Path, content: bytes | str, message: str) -> None:
    """As a mesh, within the memory of this process."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = peak_memory()
    with pytest.raises(UserError, match=message) as error:
        read_mesh(path)
    assert path.name in str(error.value)
    assert peak_memory() - before < 2**26


def peak_memory() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((LARGE, 3), "<f4", "claims the shape"),
        ((-1, 3), "<f4", "cannot have the shape"),
        ((0, 2**62), "<f4", "cannot have the shape"),
        ((0, 2**40, 2**40), "<f4", "cannot have the shape"),
        ((1,) * 40, "<f4", "cannot have the shape"),
        ((2**63,), "<f4", "cannot have the shape"),
        ((3,), "<U0", "expected numbers"),
        ((3,), "|V0", "expected numbers"),
        ((3,), "|O", "Python objects, which are never loaded"),
        ((3,), "<M8[s]", "expected numbers"),
        ((3,), "no type", "descr"),
        ("(" * 500, "<f4", "Cannot parse header|shape"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_headers_that_claim_what_is_not_there(tmp_path, shape, dtype, message, compression):
    path = tmp_path / "a.npz"
    path.write_bytes(npz({"points": header(shape, dtype) + bytes(12)}, compression))
    for read in (locate_arrays, read_arrays):
        with pytest.raises(NpzError, match=message):
            read(path)
    with pytest.raises(StorageError, match=r"a\.npz is not an intact npz file"):
        open_arrays(str(path))


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    content = b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + bytes(10**7)
    (tmp_path / "a.npz").write_bytes(npz({"points": content}, zipfile.ZIP_DEFLATED))
    with pytest.raises(NpzError, match="EOF"):
        locate_arrays(tmp_path / "a.npz")


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    array = np.zeros(10**6, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", points=array)
    size = (tmp_path / "a.npz").stat().st_size
    assert array.nbytes > npz_reader.MAX_RATIO * size
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["points"], array)
    monkeypatch.setattr(npz_reader, "MAX_UNPACKED", 10**6)  # the header is 128 bytes more
    with pytest.raises(NpzError, match="claims to unpack to 1000128 bytes, at most 1000000"):
        locate_arrays(tmp_path / "a.npz")


def test_a_directory_that_claims_too_little_or_too_much(tmp_path):
    content = bytearray(npz({"points": npy(np.zeros((50, 3), np.float32))}))
    entry = content.index(b"PK\x01\x02")
    for claimed in (100, 2**31):
        struct.pack_into("<II", content, entry + 20, claimed, claimed)
        (tmp_path / "a.npz").write_bytes(content)
        for read in (locate_arrays, read_arrays):
            with pytest.raises(NpzError):
                read(tmp_path / "a.npz")


def test_members_are_never_extracted(tmp_path):
    (tmp_path / "inside").mkdir()
    path = tmp_path / "inside" / "a.npz"
    path.write_bytes(npz({"../escaped": npy(np.arange(3)), "/escaped": npy(np.arange(4))}))
    arrays = read_arrays(path)
    assert {name: len(array) for name, array in arrays.items()} == {"../escaped": 3, "/escaped": 4}
    assert len(open_arrays(str(path))["/escaped"]) == 4
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", "a.npz"]
    assert not Path("/escaped.npy").exists()


def test_two_arrays_of_one_name(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "a.npz", "w") as archive,
    ):
        for _ in range(2):
            archive.writestr("points.npy", npy(np.zeros(3)))
    with pytest.raises(NpzError, match="2 arrays have the name 'points'"):
        locate_arrays(tmp_path / "a.npz")


def test_a_file_that_changes_while_it_is_opened(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, points=np.zeros(1000))

    def locate(content):
        path.write_bytes(path.read_bytes() + b"\0" * 100)

    monkeypatch.setattr(storage, "locate_in_memory", locate)
    with pytest.raises(
        StorageError, match=r"a\.npz (changed while it was opened|is not an intact)"
    ):
        open_arrays(str(path))
    monkeypatch.setattr(storage, "locate_in_memory", lambda content: os.utime(path, (1, 1)))
    np.savez(path, points=np.zeros(1000))
    with pytest.raises(StorageError, match=r"a\.npz changed while it was opened"):
        open_arrays(str(path))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(StorageError, match="no regular file"):
        open_arrays(str(tmp_path / "a.npz"))


def test_a_sequence_of_a_trillion_vertices(tmp_path):
    path = tmp_path / "sequence.npz"
    vertices = np.zeros((2, 3, 3), np.float32)
    MeshSequence(np.array([[0, 1, 2]], np.int32), vertices, np.array([0.0, 1.0])).save(path)
    with np.load(path) as arrays:
        members = {name: npy(array) for name, array in arrays.items()}
    path.write_bytes(npz({**members, "vertices": header((2, LARGE, 3)) + bytes(72)}))
    with pytest.raises(UserError, match=r"sequence\.npz: not a readable mesh sequence.*claims"):
        load_reconstruction(path)
    broken = {
        "vertices": np.full((2, 3, 3), np.nan),
        "faces": np.array([[0, 1, 2**32]]),
        "scale": np.array(np.inf),
        "loc": np.zeros(2),
        "times": np.array([np.nan, 1.0]),
    }
    for name, array in broken.items():
        path.write_bytes(npz({**members, name: npy(array)}))
        with pytest.raises(UserError, match=r"sequence\.npz: not a readable mesh sequence"):
            load_reconstruction(path)


@pytest.mark.parametrize("format", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize(
    "body",
    [
        f"element vertex {LARGE}\n{XYZ}",
        f"element vertex -1\n{XYZ}",
        f"element vertex 1\n{XYZ}element face {LARGE}\nproperty list uchar int vertex_indices\n",
        f"element nothing {LARGE}\nelement vertex {LARGE}\n{XYZ}",
        f"element vertex {LARGE}\n",
        f"element other {LARGE}\nproperty list uint float values\nelement vertex 1\n{XYZ}",
        f"element vertex {'9' * 5000}\n{XYZ}",
    ],
)
def test_ply_that_claims_a_trillion_rows(tmp_path, format, body):
    content = PLY.format(format=format, body=body).encode()
    refused(tmp_path / "a.ply", content + b"0 0 0 " * 100, "not a readable mesh")


def test_ply_headers_that_leave_out_what_matters(tmp_path):
    refused(tmp_path / "a.ply", f"ply\nelement vertex 1\n{XYZ}end_header\n0 0 0\n", "no format")
    face = "element face 1\nproperty list uchar int corners\n"
    text = PLY.format(format="ascii", body=f"element vertex 1\n{XYZ}{face}")
    refused(tmp_path / "b.ply", f"{text}0 0 0\n3 0 0 0\n", "none of the columns vertex_indices")
    text = PLY.format(format="ascii", body="element vertex 1\nproperty float x\n")
    refused(tmp_path / "c.ply", f"{text}0\n", "no vertices with x, y and z")


def test_ply_of_other_shapes_is_read(tmp_path):
    """Polygons of unequal length, elements in between, in text and in binary."""
    (tmp_path / "a.ply").write_bytes(PLY_OF_POLYGONS)
    expected = [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").faces, expected)
    header, _ = PLY_OF_POLYGONS.split(b"0.5\n")
    body = np.array([0.5, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0], ">f4").tobytes()
    for corners in ([0, 1, 2, 3], [0, 1, 2]):
        body += bytes([len(corners)]) + np.array(corners, ">i4").tobytes() + b"\7"
    (tmp_path / "b.ply").write_bytes(header.replace(b"ascii", b"binary_big_endian") + body)
    mesh = read_mesh(tmp_path / "b.ply")
    np.testing.assert_array_equal(mesh.faces, expected)
    np.testing.assert_array_equal(mesh.vertices, read_mesh(tmp_path / "a.ply").vertices)


def test_ply_of_many_elements_is_refused_at_once(tmp_path):
    elements = "".join(f"element e{k} 5\n" for k in range(50_000))
    before = time.process_time()
    refused(tmp_path / "a.ply", PLY.format(format="ascii", body=elements), "no vertices")
    assert time.process_time() - before < 20  # one by one, it took minutes


def test_polygons_that_claim_a_trillion_corners(tmp_path):
    face = "element face 1\nproperty list uint int vertex_indices\n"
    body = f"element vertex 1\n{XYZ}{face}"
    binary = PLY.format(format="binary_little_endian", body=body).encode() + bytes(12)
    refused(tmp_path / "a.ply", binary + b"\xff" * 4 + bytes(12), "ends early")
    text = PLY.format(format="ascii", body=body)
    refused(tmp_path / "b.ply", f"{text}0 0 0\n{LARGE} 0 1 2\n", "ends early")
    refused(
        tmp_path / "a.off", SQUARE + b"1000000000 0 1 2\n", "claims 1000000000 corners and has 3"
    )
    refused(tmp_path / "b.off", SQUARE + b"-1 0 1 2\n", "claims -1 corners")


def test_text_that_claims_a_trillion_rows(tmp_path):
    refused(tmp_path / "a.off", f"OFF\n{LARGE} 0 0\n0 0 0\n", "it ends early")
    refused(tmp_path / "b.off", f"OFF\n1 {LARGE} 0\n0 0 0\n3 0 0 0\n", "it ends early")
    refused(tmp_path / "c.off", f"OFF\n{'9' * 5000} 0 0\n0 0 0\n", "not a readable mesh")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "1e39", "0x"])
def test_positions_that_are_not_finite(tmp_path, value):
    refused(tmp_path / "a.off", f"OFF\n1 0 0\n0 {value} 0\n", "not a readable mesh")
    refused(tmp_path / "a.obj", f"v 0 {value} 0\n", "not a readable mesh")
    body = f"element vertex 1\n{XYZ}"
    text = PLY.format(format="ascii", body=body)
    refused(tmp_path / "a.ply", f"{text}0 {value} 0\n", "not a readable mesh")


def test_infinity_in_binary_files(tmp_path):
    vertices = np.array([[0, np.inf, 0]], np.float32)
    for format in ("ply", "glb"):
        write_mesh(tmp_path / f"a.{format}", vertices, np.zeros((0, 3), np.int32))
        with pytest.raises(UserError, match=rf"a\.{format}: not a readable mesh.*infinite"):
            read_mesh(tmp_path / f"a.{format}")


def test_indices_are_compared_before_they_are_cut_to_32_bits(tmp_path):
    refused(tmp_path / "a.off", SQUARE + f"3 0 1 {2**32 + 2}\n".encode(), "faces name vertices")
    refused(tmp_path / "b.off", SQUARE + f"4 0 1 2 {2**70}\n".encode(), "not a readable mesh")
    refused(tmp_path / "a.obj", f"v 0 0 0\nf 1 1 {2**64 + 1}\n", "not a readable mesh")
    face = "element face 1\nproperty list uchar float vertex_indices\n"
    text = PLY.format(format="ascii", body=f"element vertex 3\n{XYZ}{face}")
    refused(tmp_path / "a.ply", f"{text}0 0 0\n0 0 0\n0 0 0\n3 0 1 1.5\n", "not whole")


def ball_chunks(folder: Path) -> tuple[dict, bytes]:
    ball = trimesh.creation.icosphere(subdivisions=1)
    write_mesh(folder / "ball.glb", ball.vertices, ball.faces)
    document, binary = glb_chunks((folder / "ball.glb").read_bytes())
    return json.loads(document), binary


def write_glb(path: Path, document: dict, binary: bytes) -> Path:
    path.write_bytes(glb(json.dumps(document).encode(), binary))
    return path


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("accessors", "count", LARGE),
        ("accessors", "count", -1),
        ("accessors", "count", 2.5),
        ("accessors", "byteOffset", LARGE),
        ("accessors", "byteOffset", -4),
        ("accessors", "sparse", {}),
        ("accessors", "type", "MAT4"),
        ("bufferViews", "byteStride", 0),
        ("bufferViews", "byteStride", LARGE),
        ("bufferViews", "byteOffset", LARGE),
        ("bufferViews", "buffer", 1),
        ("buffers", "uri", "../../canary"),
        ("buffers", "uri", "data:application/octet-stream;base64," + "A" * 1000),
        ("nodes", "children", [0, 0]),
        ("nodes", "mesh", -1),
    ],
)
def test_glb_that_claims_or_names_what_is_not_there(tmp_path, where, key, value):
    document, binary = ball_chunks(tmp_path)
    for item in document[where]:
        item[key] = value
    path = write_glb(tmp_path / "a.glb", document, binary)
    refused(path, path.read_bytes(), "not a readable mesh")


def test_glb_nested_too_deeply(tmp_path):
    refused(tmp_path / "a.glb", glb(b"[" * 10**5), "not a readable mesh")


def test_glb_transforms_are_those_of_other_programs(tmp_path):
    document, binary = ball_chunks(tmp_path)
    turned = {"rotation": [0.5, 0.5, 0.5, 0.5], "scale": [1, 2, 3], "translation": [4, 5, 6]}
    moved = {"matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 7, 8, 9, 1]}
    document["nodes"] = [{**turned, "children": [1]}, {**moved, "mesh": 0}]
    document["scenes"], document["scene"] = [{"nodes": [0]}], 0
    path = write_glb(tmp_path / "a.glb", document, binary)
    other = trimesh.load_mesh(path, process=False)
    np.testing.assert_allclose(read_mesh(path).vertices, other.vertices, atol=1e-5)


OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from im2mesh.meshing.io import read_mesh
for path in sys.argv[1:]:
    try:
        read_mesh(path)
    except ValueError:
        pass
print([path for path in opened if "canary" in path])
assert any(sys.argv[1] in path for path in opened)  # the hook does see files
"""


def test_no_mesh_leads_to_another_file(tmp_path):
    """Textures, materials and buffers that a file names beside itself are not opened."""
    (tmp_path / "canary").write_bytes(bytes(5000))
    (tmp_path / "canary.mtl").write_text("newmtl a\nmap_Kd canary\n")
    texture = "comment TextureFile canary\n"
    vertices = f"element vertex 1\n{XYZ}property float s\nproperty float t\n"
    for format in ("ascii", "binary_little_endian"):
        content = PLY.format(format=format, body=texture + vertices) + "0 0 0 0 0" + " " * 20
        (tmp_path / f"{format}.ply").write_text(content)
    (tmp_path / "a.obj").write_text("mtllib canary.mtl\nusemtl a\nv 0 0 0\n")
    document, binary = ball_chunks(tmp_path)
    image = {"images": [{"uri": "canary"}], "textures": [{"source": 0}]}
    write_glb(tmp_path / "image.glb", {**document, **image}, binary)
    buffers = [{"uri": "canary", "byteLength": 5000}]
    write_glb(tmp_path / "buffer.glb", {**document, "buffers": buffers}, binary)
    paths = sorted(str(path) for path in tmp_path.glob("*.*") if path.suffix != ".mtl")
    assert len(paths) == 6
    done = subprocess.run(
        [sys.executable, "-c", OPENED, *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


BAD_NAMES = ["../../etc", "/etc/passwd", "a/b", "a\\b", "..", "a\0b", "a\x1bb", "x" * 300]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_of_clips_cannot_lead_elsewhere(tmp_path, name):
    (tmp_path / "train.lst").write_text(f"good\n\n{name}\n")
    with pytest.raises(DataError, match=r"train\.lst, line 3: clip .* (is not the name|is longer)"):
        read_split(tmp_path, "train")
    for names in ((name, "clip"), ("category", name)):
        with pytest.raises(DataError, match=r"is not the name of a folder|is longer than"):
            Window(*names, 0, 5)
    options = {"num_frames": 5, "stride": 1, "skip_frames": 0}
    with pytest.raises(DataError, match="category"):
        read_windows(tmp_path, "train", categories=[name], **options)
    for categories in (None, ["balls"]):
        with pytest.raises(DataError, match="split"):
            read_windows(tmp_path, name, categories=categories, **options)


def test_split_file_that_is_no_text(tmp_path):
    (tmp_path / "train.lst").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train\.lst is not text in UTF-8"):
        read_split(tmp_path, "train")


def test_only_decimal_digits_number_a_file(tmp_path):
    folder = tmp_path / "balls" / "a" / "pcl_seq"
    folder.mkdir(parents=True)
    for name in ("7.npz", "8.npz", "².npz", "a.npz"):
        (folder / name).touch()
    assert frame_numbers(tmp_path, "balls", "a") == (7, 8)
    frame_numbers.cache_clear()
    (folder / "9a.npz").touch()
    with pytest.raises(DataError, match=r"not plain which number of 7\.npz, 8\.npz, 9a\.npz"):
        frame_numbers(tmp_path, "balls", "a")


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        content += struct.pack(">I", len(data)) + kind + data + checksum
    return content


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [5000, 12_000, 30_000, 2**31 - 1])
def test_images_that_claim_too_many_pixels(tmp_path, size):
    write_ball_dataset(tmp_path, num_frames=1)
    write_ball_images(tmp_path, num_views=1)
    (path,) = (tmp_path / CATEGORY / "ball_a" / "img" / "0").glob("*.jpg")
    path.write_bytes(png_header(size, size))
    before = peak_memory()
    with pytest.raises(DataError, match=r"clip ball_a: .*(at most|not an intact image)"):
        read_images(StoredWindow(tmp_path, Window(CATEGORY, "ball_a", 0, 1)), "0", [0], 32)
    assert peak_memory() - before < 2**26


def test_other_formats_than_photographs_are_not_opened(tmp_path):
    write_ball_dataset(tmp_path, num_frames=1)
    write_ball_images(tmp_path, num_views=1)
    (path,) = (tmp_path / CATEGORY / "ball_a" / "img" / "0").glob("*.jpg")
    Image.new("RGB", (32, 32)).save(path, "EPS")  # Pillow would start Ghostscript for it
    with pytest.raises(DataError, match="is not an intact image"):
        read_images(StoredWindow(tmp_path, Window(CATEGORY, "ball_a", 0, 1)), "0", [0], 32)


def test_a_cloud_of_text(tmp_path):
    write_ball_dataset(tmp_path, num_frames=1)
    (path,) = (tmp_path / CATEGORY / "ball_a" / "pcl_seq").iterdir()
    np.savez(path, points=np.array([["a", "b", "c"]]), loc=np.zeros(3), scale=np.ones(()))
    with pytest.raises(DataError, match=r"clip ball_a: .*'points' holds <U1, expected numbers"):
        StoredWindow(tmp_path, Window(CATEGORY, "ball_a", 0, 1)).surface_points(0)


@pytest.mark.parametrize(
    ("reader", "name", "shape", "message"),
    [
        ("labels", "occupancies", (), "must be the packed bits"),
        ("labels", "occupancies", (20, 20), "must be the packed bits"),
        ("cloud", "normals", (19, 3), "19 normals for"),
        ("cloud", "points", (60,), "points must have shape"),
        ("cloud", "loc", (3, 1), "not a frame of reference"),
        ("cloud", "scale", (2,), "not a frame of reference"),
    ],
)
def test_arrays_of_other_shapes(tmp_path, reader, name, shape, message):
    kind = READERS[reader]()
    kind.prepare(tmp_path)
    path = tmp_path / kind.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kind.samples[0].content)
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, name: np.ones(shape, arrays[name].dtype)})
    with pytest.raises(DataError, match=message):
        kind.read(tmp_path)


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LAUGHS,
            "line 2 is not valid YAML: aliases are not read; write the value out",
        ),
        ("a: &a {b: *a}", "aliases are not read"),
        ("a: " + "[" * 10**5, "nested too deeply"),
        ("{a: " * 5000, "nested too deeply"),
        ("a: !!python/object/apply:os.system ['touch canary']", "python/object/apply"),
        ("a: !!python/name:os.system", "python/name"),
        ("1: 2", "key 1 is not text; put it in quotes"),
        ("? [1, 2]\n: 3", "is not text"),
        ("null: 1", "is not text"),
        ("a: \0", "special characters are not allowed"),
        ("a: 2001-99-99", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: !!bool x", "not valid YAML"),
        ("a: 0x" + "f" * 9000, "more than 64 bits"),
        ("a: " + "9" * 9000, "not valid YAML"),
        ("".join(f"k{i}: 1\n" for i in range(10_000)), "more than 1000 keys"),
        ("#" * (MAX_BYTES + 1), "larger than 262144 bytes"),
        ("inherit_from: a.yaml", "leads back to this file"),
        ("inherit_from: .", "no config file"),
        ("inherit_from: /dev/zero", "no config file"),
        ("inherit_from: [3]", "must be the path"),
        ('inherit_from: "a\\0b"', "no config file|cannot be read"),
        (f"inherit_from: {'x' * 5000}", "cannot be read"),
    ],
)
def test_hostile_configs(tmp_path, text, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings(tmp_path / "a.yaml")
    assert not (tmp_path / "canary").exists()


def test_files_that_each_inherit_twice(tmp_path):
    for k in range(30):  # 2^30 files if nothing stopped it
        (tmp_path / f"{k}.yaml").write_text(f"inherit_from: [{k + 1}.yaml, {k + 1}.yaml]")
    (tmp_path / "30.yaml").write_text("data: {num_frames: 5}")
    with pytest.raises(ConfigError, match=rf"0\.yaml inherits from more than {MAX_FILES} files"):
        read_settings(tmp_path / "0.yaml")


def test_overrides_are_read_as_safely(tmp_path):
    (tmp_path / "a.yaml").write_text("")
    for value in ("!!python/name:os.system", "[" * 10**4, "[&a x, *a]"):
        with pytest.raises(ConfigError, match=r"command line: value of ode\.method is not valid"):
            read_settings(tmp_path / "a.yaml", [f"ode.method={value}"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../../etc,a,0,0,iou,0.5", "line 2: category '../../etc' is not the name"),
        ("balls,/a,0,0,iou,0.5", "line 2: clip '/a' is not the name"),
        ("balls", "line 2: no value for clip"),
        ("balls,a,0,0,,0.5", "line 2: no value for metric"),
        (f"balls,a,{'9' * 5000},0,iou,1", "line 2"),
        (f"{'x' * 200_000},a,0,0,iou,1", "field larger than field limit"),
    ],
)
def test_hostile_records(tmp_path, line, message):
    path = tmp_path / "records.csv"
    path.write_text(f"category,clip,start,frame,metric,value\n{line}\n")
    with pytest.raises(UserError, match=rf"records\.csv, .*{re.escape(message)}"):
        read_table(path)


def test_records_that_are_no_text(tmp_path):
    (tmp_path / "records.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UserError, match=r"records\.csv, line 0"):
        read_table(tmp_path / "records.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"[]", b"3", b"null", b'{"seconds": 3}', b'{"seconds": {"a": "b"}}', b'{"seconds": [1]}',
        b'{"nfe": "many"}', b'{"nfe": [1]}', b'{"nfe": %s}' % (b"9" * 400), b"[" * 10**5, b"\xff",
    ],
)  # fmt: skip
def test_hostile_summaries(tmp_path, content):
    reader = READERS["window.json"]()
    reader.prepare(tmp_path)
    (tmp_path / reader.path).parent.mkdir(parents=True)
    (tmp_path / reader.path).write_bytes(content)
    with pytest.raises(
        UserError, match=r"window\.json is broken .*; delete it and run generate\.py"
    ):
        read_result("oflow", tmp_path, "test")


def test_a_compressed_checkpoint_is_refused(tmp_path):
    torch.save({"model": {"a": torch.zeros(10**6)}, "it": 1}, tmp_path / "stored.pt")
    assert read_official(tmp_path / "stored.pt").iteration == 1
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in stored.namelist():
            archive.writestr(name, stored.read(name))
    (tmp_path / "packed.pt").write_bytes(packed.getvalue())
    with pytest.raises(CheckpointError, match=r"packed\.pt is damaged"):
        read_official(tmp_path / "packed.pt")


def test_a_checkpoint_of_long_names_is_refused_at_once(tmp_path):
    """torch would look at the name of the class for hours."""
    name = b"x" * 10**6
    start = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    (tmp_path / "old.pt").write_bytes(start + b"\x80\x02c" + name + b"\nx\n.")
    with zipfile.ZipFile(tmp_path / "new.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02c" + name + b"\nx\n.")
        archive.writestr("archive/version", "3")
    for file in ("old.pt", "new.pt"):
        before = time.perf_counter()
        with pytest.raises(CheckpointError, match=rf"{file} is damaged"):
            read_official(tmp_path / file)
        assert time.perf_counter() - before < 5


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call of a file, with the dotted name that is called."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in nodes]


def keywords(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


def is_unsafe(name: str, call: ast.Call) -> bool:
    given = keywords(call)
    loader = ast.unparse(call.args[1]) if len(call.args) > 1 else given.get("Loader")
    return (
        name in ("eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads")
        or given.get("shell", "False") != "False"
        or (name == "yaml.load" and loader != "_Loader")
        or name in ("yaml.unsafe_load", "yaml.full_load", "yaml.load_all")
        or (name == "torch.load" and given.get("weights_only") != "True")
        or (name == "np.load" and given.get("allow_pickle", "False") != "False")
        or name.endswith((".extract", ".extractall", "unpack_archive"))
        or (name == "trimesh.load" or name.startswith("trimesh.load_"))
    )


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)", "exec(x)", "os.system(x)", "run(x, shell=True)", "yaml.load(x)",
        "yaml.load(x, yaml.Loader)", "pickle.loads(x)", "torch.load(x)", "trimesh.load(x)",
        "torch.load(x, weights_only=False)", "np.load(x, allow_pickle=True)", "a.extractall(x)",
    ],
)  # fmt: skip
def test_unsafe_calls_are_recognised(tmp_path, code):
    (tmp_path / "a.py").write_text(code)
    ((name, call),) = calls(tmp_path / "a.py")
    assert is_unsafe(name, call)


def test_nothing_in_the_project_executes_what_it_reads():
    files = [*Path("im2mesh").rglob("*.py"), *Path("scripts").rglob("*.py"), *Path().glob("*.py")]
    found = [(path, name, call) for path in files for name, call in calls(path)]
    assert {"yaml.load", "torch.load"} <= {name for _, name, _ in found}
    assert [f"{p}:{c.lineno} {name}" for p, name, c in found if is_unsafe(name, c)] == []


def test_headers_of_python_2_are_read_without_a_word(tmp_path):
    """They have an L behind whole numbers; numpy warns of them."""
    content = npy(np.arange(6.0).reshape(2, 3)).replace(b"(2, 3), }  ", b"(2L, 3L), }")
    assert b"2L" in content
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        (tmp_path / "a.npz").write_bytes(npz({"points": content}, compression))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(
                read_arrays(tmp_path / "a.npz")["points"], np.arange(6.0).reshape(2, 3)
            )


def test_odd_escapes_in_a_pickle_are_no_warning(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"\x80\x02S'\\\x02'\n.")
    with warnings.catch_warnings(), pytest.raises(UserError):
        warnings.simplefilter("error")
        read_official(tmp_path / "model.pt")
