"""Every reader of files, with real files for it: what tests of broken files start from."""

import contextlib
import gzip
import hashlib
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import trimesh
from PIL import Image

from im2mesh.compat.config import IGNORED, ONLY_VALUE, OTHER_DEFAULTS
from im2mesh.data import clip_files, frame_arrays, frames, manifest, storage
from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import read_images
from im2mesh.data.layout import DataError, Window
from im2mesh.data.windows import read_split
from im2mesh.errors import ConfigError, UserError
from im2mesh.evaluation.records import Record, read_table, write_records
from im2mesh.files.numbered import READ_FORMATS
from im2mesh.files.written import NOTE, refuse_foreign, remove_written
from im2mesh.meshing.frame_meshes import FrameMeshes, load_reconstruction
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.runs.folder import CONFIG_FILE, RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.provenance import Provenance
from im2mesh.runs.window_summary import read_origins
from im2mesh.studies.comparison.result import read_result
from im2mesh.synthesis.clips import check_settings
from tests.mesh_samples import BUFFER, gltf_with_buffer, mesh_samples, refused_samples

WINDOW = Window("balls", "ball_a", 0, 1)
CONFIG = """inherit_from: base.yaml
output_dir: out/run  # a comment
data: {num_frames: 5, categories: [balls, 'men']}
training:
  learning_rate: 1e-4
  max_iterations: 100
"""
_ORIGIN = Provenance("1.0", "2e", "4c", 0, {"torch": "2"})


@dataclass(frozen=True)
class Sample:
    """A real file: bytes to be damaged, and what makes a file of them, such as an archive."""

    content: bytes
    wrap: Callable[[bytes], bytes] = bytes
    is_refused: bool = False  # before any damage


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read.

    Attributes:
        path: Where the file lies, relative to a folder of its own.
        prepare: Writes into that folder what the reader needs beside the file.
        read: Reads from the folder and asserts that the result is valid.
        error: All that it may raise.
    """

    path: str
    samples: tuple[Sample, ...]
    read: Callable[[Path], Any]
    error: type[UserError]
    prepare: Callable[[Path], None] = lambda folder: None


def npz(arrays: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of members whose bytes may be anything; directory and checksums are right."""
    return _archive({f"{name}.npy": content for name, content in arrays.items()}, compression)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def glb(document: bytes, binary: bytes = b"") -> bytes:
    """A .glb whose chunks may hold anything; their lengths are right."""
    document += b" " * (-len(document) % 4)
    chunks = struct.pack("<I4s", len(document), b"JSON") + document
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def glb_chunks(content: bytes) -> tuple[bytes, bytes]:
    """The JSON and the binary chunk of a file that `write_mesh` wrote."""
    (size,) = struct.unpack_from("<I", content, 12)
    return content[20 : 20 + size], content[28 + size :]


def forget_files() -> None:
    """Empty the caches of what is known of files, which a test rewrites within a clock tick."""
    caches = (
        storage._open_file,
        storage._TABLES,
        manifest._TABLES,
        frame_arrays._NORMALIZATIONS,
        frames._SEQUENCES,
        frames.first_frame,
        clip_files.clip_files,
        clip_files.packed_file,
        clip_files.frame_numbers,
    )
    for cache in caches:
        cache.cache_clear()


def _archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _text(text: str) -> tuple[Sample, ...]:
    return (Sample(text.encode()),)


def _written(name: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _mesh_reader(format: str) -> Reader:
    name = f"a.{format}"
    samples = [Sample(content) for content in mesh_samples(format)]
    samples += [Sample(content, is_refused=True) for content in refused_samples(format)]
    if format == "glb":  # also as chunks, whose lengths stay right
        for sample in tuple(samples):
            document, binary = glb_chunks(sample.content)
            samples.append(Sample(document, partial(glb, binary=binary)))
    return Reader(name, tuple(samples), _read_one(name), UserError)


def _gltf_reader() -> Reader:
    """With its buffer in itself, or intact beside it."""
    text, buffer = gltf_with_buffer()
    samples = [Sample(content) for content in (*mesh_samples("gltf"), text)]
    return Reader("a.gltf", tuple(samples), _read_one("a.gltf"), UserError, _beside(BUFFER, buffer))


def _buffer_reader() -> Reader:
    """The buffer of an intact .gltf."""
    text, buffer = gltf_with_buffer()
    samples, prepare = (Sample(buffer),), _beside("a.gltf", text)
    return Reader(BUFFER, samples, _read_one("a.gltf"), UserError, prepare)


def _beside(name: str, content: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(content)


def _packed_reader(format: str) -> Reader:
    """What gzip has compressed: damaged itself, or packed after the damage."""
    contents = mesh_samples(format)
    packed = [Sample(gzip.compress(content)) for content in contents[::4]]
    half = len(contents[0]) // 2
    packed.append(Sample(gzip.compress(contents[0][:half]) + gzip.compress(contents[0][half:])))
    inside = [Sample(content, gzip.compress) for content in contents]
    name = f"a.{format}.gz"
    return Reader(name, (*packed, *inside), _read_one(name), UserError)


def _read_one(name: str) -> Callable[[Path], Mesh]:
    return lambda folder: _read_mesh(folder / name)


def _read_mesh(path: Path) -> Mesh:
    mesh = read_mesh(path)
    _check_mesh(mesh)
    return mesh


def _check_mesh(mesh: Mesh) -> None:
    assert mesh.vertices.dtype in (np.float32, np.float64) and np.isfinite(mesh.vertices).all()
    assert mesh.faces.size == 0 or 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices)
    assert mesh.colors is None or mesh.colors.shape == mesh.vertices.shape


def _npz_samples(**arrays: np.ndarray) -> tuple[Sample, ...]:
    """The archive itself, stored and compressed, and each of its members in an intact archive."""
    members = {name: npy(array) for name, array in arrays.items()}
    samples = [Sample(npz(members)), Sample(npz(members, zipfile.ZIP_DEFLATED))]
    for name in members:
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):

            def wrap(damaged: bytes, name: str = name, compression: int = compression) -> bytes:
                return npz({**members, name: damaged}, compression)

            samples.append(Sample(members[name], wrap))
    return tuple(samples)


def _sequence_samples() -> tuple[Sample, ...]:
    ball = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    times = np.array([0.0, 1.0])
    moving = MeshSequence(faces, np.stack([vertices, vertices + 1]), times)
    frames = FrameMeshes((Mesh(vertices, faces), Mesh(vertices[:4], faces[:0])), times)
    samples: list[Sample] = []
    for meshes in (moving, frames):
        with np.load(io.BytesIO(_written("sequence.npz", meshes.save))) as arrays:
            samples += _npz_samples(**arrays)
    return tuple(samples)


def _read_sequence(folder: Path) -> None:
    meshes = load_reconstruction(folder / "sequence.npz")
    for mesh in meshes.meshes:
        _check_mesh(mesh)
    assert len(meshes.meshes) == len(meshes.times)


def _clip_file(folder: str) -> str:
    return f"balls/ball_a/{folder}/00000007.npz"


def _cloud() -> dict[str, np.ndarray]:
    points = np.linspace(-0.5, 0.5, 60).reshape(20, 3).astype(np.float16)
    frame = {"loc": np.zeros(3, np.float16), "scale": np.array(2.0)}
    return {"points": points, "normals": points, **frame}


def _labels() -> dict[str, np.ndarray]:
    return {**_cloud(), "occupancies": np.zeros(3, np.uint8)}


def _write_cloud(folder: Path) -> None:
    path = folder / _clip_file("pcl_seq")
    path.parent.mkdir(parents=True)
    np.savez(path, **_cloud())


def _read_cloud(folder: Path) -> None:
    surface = StoredWindow(folder, WINDOW).surface_points(0)
    rows = np.arange(min(3, len(surface.points)))
    assert StoredWindow(folder, WINDOW).trajectories(rows).shape == (1, len(rows), 3)


def _read_labels(folder: Path) -> None:
    labelled = StoredWindow(folder, WINDOW).labelled_points(0)
    assert labelled.points.shape == (len(labelled.occupancy), 3)


def _image_reader(format: str) -> Reader:
    pixels = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    content = _written("a", lambda path: Image.fromarray(pixels).save(path, format))
    suffix = {"jpeg": "jpg", "png": "png"}[format]
    path = f"balls/ball_a/img/0/00007.{suffix}"
    return Reader(path, (Sample(content),), _read_image, DataError, _write_cloud)


def _read_image(folder: Path) -> None:
    assert read_images(StoredWindow(folder, WINDOW), "0", [0], 8).shape == (1, 3, 8, 8)


def _read_clips(folder: Path) -> None:
    for name in read_split(folder / "balls", "train"):
        assert (folder / name).parent == folder and name == name.strip() != ".."


def _records() -> bytes:
    records = [Record("balls", "ball_a", 0, k, "iou", 0.5 + k) for k in range(3)]
    return _written("records.csv", lambda path: write_records(path, records))


def _read_records(folder: Path) -> None:
    for record in read_table(folder / "records.csv")[0]:
        assert isinstance(record.frame, int) and isinstance(record.value, float)
        assert Path(record.category, record.clip).parts == (record.category, record.clip)


def _write_evaluation(folder: Path) -> None:
    _write_cloud(folder)
    run = RunFolder(folder)
    run.evaluation("test").mkdir(parents=True)
    (run.evaluation("test") / CONFIG_FILE).write_text("data: {num_frames: 5}\n")
    run.evaluation_records("test").write_bytes(_records())


def _made_by() -> dict[str, Any]:
    """As generate.py notes it of the clip that `_write_cloud` writes."""
    with tempfile.TemporaryDirectory() as root:
        _write_cloud(Path(root))
        dataset = clip_fingerprint(root, WINDOW.category, WINDOW.clip)
    return {"run": "1f", "code": "1.0", "config": "2e", "dataset": dataset, "seed": 0}


def _read_summary(folder: Path) -> None:
    result = read_result("oflow", folder, "test")
    assert all(isinstance(record.value, float) for record in result.records)
    for note in read_origins(folder / "generation" / "test", folder, [WINDOW]):
        ResultOrigin.from_dict({"evaluated_by": asdict(_ORIGIN), "meshes_by": [note]})


def _check_settings(folder: Path) -> None:
    check_settings(folder / "clip.json", {"seed": 0, "frames": 2})


def _write_base(folder: Path) -> None:
    (folder / "base.yaml").write_text("output_dir: base\node: {method: rk4, step_size: 0.5}\n")


def _read_config(folder: Path) -> None:
    from im2mesh.build import build_config  # needs torch, as nothing else here but checkpoints

    assert build_config(folder / "small.yaml").training is not None


def _official_samples() -> tuple[Sample, ...]:
    """Both formats of torch.save, and the pickle within an intact archive."""
    import torch

    state = {"encoder.weight": torch.arange(6.0).reshape(2, 3), "encoder.bias": torch.zeros(2)}
    values = {"model": state, "it": 12, "loss_val_best": np.float64(0.5)}
    old = _written("old.pt", partial(torch.save, values, _use_new_zipfile_serialization=False))
    return *_torch_samples(partial(torch.save, values)), Sample(old)


def _read_official(folder: Path) -> None:
    from im2mesh.compat.reading import read_official

    found = read_official(folder / "model.pt")
    assert all(isinstance(name, str) for name in found.state) and found.iteration >= 0


def _sequence_reader() -> Reader:
    return Reader("sequence.npz", _sequence_samples(), _read_sequence, UserError)


def _cloud_reader() -> Reader:
    return Reader(_clip_file("pcl_seq"), _npz_samples(**_cloud()), _read_cloud, DataError)


def _labels_reader() -> Reader:
    path, samples = _clip_file("points_seq"), _npz_samples(**_labels())
    return Reader(path, samples, _read_labels, DataError, _write_cloud)


def _split_reader() -> Reader:
    return Reader("balls/train.lst", _text("ball_a\n\nball_b\n"), _read_clips, DataError)


def _records_reader() -> Reader:
    return Reader("records.csv", (Sample(_records()),), _read_records, UserError)


def _summary_reader() -> Reader:
    path = "generation/test/balls/ball_a/00000/window.json"
    summary = {"seconds": {"encode": 0.25, "flow": 1}, "nfe": 12, "status": "ok"}
    noted = {**summary, "source": "3d", "made_by": _made_by()}
    samples = (*_text(json.dumps(summary)), *_text(json.dumps(noted)))
    return Reader(path, samples, _read_summary, UserError, _write_evaluation)


def _settings_reader() -> Reader:
    samples = _text(json.dumps({"seed": 0, "frames": 2}))
    return Reader("clip.json", samples, _check_settings, UserError)


def _config_reader() -> Reader:
    return Reader("small.yaml", _text(CONFIG), _read_config, ConfigError, _write_base)


def _official_reader() -> Reader:
    return Reader("model.pt", _official_samples(), _read_official, UserError)


def _official_config_reader() -> Reader:
    """Configs of the authors' code: the options of the test of them, and all keys that count."""
    from tests.compat.test_import_official_config import OFFICIAL

    every: dict[str, Any] = {}
    for key, value in {**ONLY_VALUE, **OTHER_DEFAULTS, **dict.fromkeys(IGNORED)}.items():
        section, _, name = key.rpartition(".")
        (every.setdefault(section, {}) if section else every)[name] = value
    values = [*OFFICIAL.values(), every, {"inherit_from": "above.yaml", "method": "oflow"}]
    samples = tuple(Sample(json.dumps(value).encode()) for value in values)
    above = _beside("above.yaml", b"model: {c_dim: 128}\ndata: {classes: [balls]}\n")
    return Reader("theirs.yaml", samples, _read_official_config, ConfigError, above)


def _read_official_config(folder: Path) -> None:
    from scripts.import_official_config import translate

    translate(folder / "theirs.yaml")


def _note_reader() -> Reader:
    """The note of the files that this program wrote; no other file may go."""
    note = {"00000.ply": hashlib.sha256(b"ours").hexdigest(), "00001.ply": None}
    return Reader(f"out/{NOTE}", _text(json.dumps(note)), _remove_written, UserError)


def _remove_written(folder: Path) -> None:
    out = folder / "out"
    for path in (out / "00000.ply", folder / "canary"):
        path.write_bytes(b"ours")
    (out / "00002.ply").write_bytes(b"theirs")
    with contextlib.suppress(UserError):
        refuse_foreign(out, lambda name: True)
    remove_written(out)
    assert (out / "00002.ply").read_bytes() == b"theirs" and (folder / "canary").is_file()


def _torch_samples(write: Callable[[Path], Any]) -> tuple[Sample, ...]:
    """A file of torch.save, and the pickle within an otherwise intact one."""
    content = _written("file.pt", write)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (pickled,) = (name for name in members if name.endswith("data.pkl"))
    return Sample(content), Sample(
        members[pickled], lambda damaged: _archive({**members, pickled: damaged})
    )


_SIZES = {"hidden_size": 2, "num_blocks": 1}
_SMALL = {
    "output_dir": "out",
    "data": {"root": "data", "num_frames": 3, "num_input_points": 4},
    "model": {
        "code_size": 2,
        "encoder": {"name": "pointnet_resnet", **_SIZES},
        "encoder_temporal": {"name": "pointnet_resnet", **_SIZES},
        "decoder": {"name": "cbatchnorm", **_SIZES},
        "velocity_field": {"name": "concat", **_SIZES},
    },
}


def _small_config() -> Any:
    from im2mesh.build import CHOICES
    from im2mesh.config.validation import config_from_dict

    return config_from_dict(_SMALL, "small.yaml", choices=CHOICES)


def _trainer(folder: Path) -> Any:
    """Without data, after a step."""
    from im2mesh.build import build_model
    from im2mesh.training.trainer import Trainer

    config, no_data = _small_config(), cast(Any, None)
    model = build_model(config)
    trainer = Trainer(model, no_data, no_data, config, RunFolder(folder), _ORIGIN)
    for weight in model.parameters():
        weight.grad = weight.detach().clone()
    trainer.stepper.optimizer.step()
    return trainer


def _resume(folder: Path) -> None:
    assert _trainer(folder).resume() == folder / "model.pt"


def _build_generator(folder: Path) -> None:
    import torch

    from im2mesh.build import build_generator

    build_generator(_small_config(), folder / "model.pt", torch.device("cpu"))


def _load_trained(folder: Path) -> None:
    import torch

    from im2mesh.build import load_trained

    load_trained(folder / "model.pt", torch.device("cpu"))


def _checkpoint_reader(read: Callable[[Path], None]) -> Reader:
    return Reader("model.pt", _torch_samples(_trainer(Path("out")).save), read, UserError)


def _snapshot_reader() -> Reader:
    import torch

    from im2mesh.build import build_described
    from im2mesh.data.batch import Batch
    from im2mesh.data.layout import Window
    from im2mesh.runs.snapshots import Snapshot, load_snapshot, save_snapshot

    points, zeros = torch.zeros(1, 4, 3), torch.zeros(1, 4)
    batch = Batch(
        windows=(Window("balls", "ball_a", 0, 2),),
        inputs=torch.zeros(1, 2, 4, 3),
        input_times=torch.tensor([[0.0, 1.0]]),
        points_0=points, occupancy_0=zeros, points_t=points, occupancy_t=zeros,
        t=torch.ones(1),
        pointcloud=torch.zeros(1, 2, 4, 3),
        times=torch.tensor([0.0, 1.0]),
    )  # fmt: skip
    trainer = _trainer(Path("out"))
    config, weights = trainer.config.model_dump(), trainer.model.state_dict()
    whole = Snapshot(config, weights, 3, "nan", (batch,), trainer.origin.as_dict())

    def read(folder: Path) -> None:
        snapshot = load_snapshot(folder / "00000003.pt")
        assert len(snapshot.batches) <= 1
        build_described(snapshot, folder / "00000003.pt")

    samples = _torch_samples(lambda path: save_snapshot(path, whole))
    return Reader("00000003.pt", samples, read, UserError)


READERS: dict[str, Callable[[], Reader]] = {
    **{format: partial(_mesh_reader, format) for format in READ_FORMATS},
    "gltf": _gltf_reader,
    "buffer": _buffer_reader,
    **{f"{format}.gz": partial(_packed_reader, format) for format in READ_FORMATS},
    "sequence": _sequence_reader,
    "cloud": _cloud_reader,
    "labels": _labels_reader,
    "jpeg": partial(_image_reader, "jpeg"),
    "png": partial(_image_reader, "png"),
    "split": _split_reader,
    "records": _records_reader,
    "window.json": _summary_reader,
    "settings": _settings_reader,
    "note": _note_reader,
    "config": _config_reader,  # this and the next ones import torch
    "official": _official_reader,
    "official.yaml": _official_config_reader,
    "checkpoint": partial(_checkpoint_reader, _load_trained),
    "resume": partial(_checkpoint_reader, _resume),
    "generator": partial(_checkpoint_reader, _build_generator),
    "snapshot": _snapshot_reader,
}
