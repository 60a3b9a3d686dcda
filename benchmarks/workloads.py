"""What is timed: each function prepares everything else and returns the work itself.

The bodies are synthetic, but their files are as large as those of D-FAUST: 100k points a frame.
Weights are untrained, as they were when the official code was timed. The number of evaluations of
the velocity (nfe) is reported beside the times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor, nn

from benchmarks.machine import wait
from im2mesh.build import build_config, build_evaluator, build_model, build_trainer
from im2mesh.config.schema import Config
from im2mesh.data.batch import Batch, Observation, collate, frame_times
from im2mesh.data.dataset import build_training_data, build_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import CLOUD_FOLDER, POINTS_FOLDER, Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.generation.generator import Generator
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.code import Code
from im2mesh.runs.folder import WindowFolder

BALL_RADIUS = 0.2937
"""Radius of the generated ball. On a grid of 129^3 it has 28.7k vertices, as many as the
surface for which the official code was timed."""

Timed = Callable[[], dict[str, float]]
"""Does the work once; returns what else is to be reported, such as nfe."""


@dataclass(frozen=True)
class Workplace:
    """Where things are, and which settings differ from a row's own.

    Attributes:
        data: Synthetic bodies with 100k points a frame.
        out: Folder for everything that is written.
        device: Device of the networks.
        overrides: key=value, set in every configuration; a row's own overrides win over them.
    """

    data: Path
    out: Path
    device: torch.device
    overrides: tuple[str, ...] = ()

    def config(self, name: str, *overrides: str) -> Config:
        """A configuration of the repository, with these data and overrides."""
        places = (f"data.root={self.data}", f"output_dir={self.out / name}")
        own = [*places, "training.num_workers=0", *self.overrides, *overrides]
        return build_config(f"configs/{name}.yaml", own)


def train_step(place: Workplace, name: str, overrides: Sequence[str] = ()) -> Timed:
    """A whole step on one batch: forward, backward, optimizer."""
    config = place.config(name, *overrides)
    trainer = build_trainer(config, place.device)
    batch = one_batch(config).to(place.device)

    def step() -> dict[str, float]:
        report = trainer.step(batch)
        wait(place.device)
        return {"nfe": report.nfe_forward + report.nfe_backward}

    return step


def one_batch(config: Config) -> Batch:
    """The first batch of a training."""
    data = build_training_data(config)
    return collate([data[i] for i in range(config.training.batch_size)])


def load_samples(place: Workplace) -> Timed:
    """Load a batch of samples in one process, every time another batch.

    All windows were read once before, as in all but the first hour of a training: the files are in
    the operating system's cache, and the places of arrays in the files are known.
    """
    config = place.config("pointcloud/oflow_w_correspond")
    data = build_training_data(config)
    draws = iter(range(len(data), 10**9))
    for draw in range(len(data)):
        _ = data[draw]

    def load() -> dict[str, float]:
        collate([data[next(draws)] for _ in range(config.training.batch_size)])
        return {}

    return load


def load_whole_files(place: Workplace) -> Timed:
    """Read all files of such samples as a whole: what `load_samples` avoids."""
    config = place.config("pointcloud/oflow_w_correspond")
    windows = build_training_data(config).windows
    files = {window: _files_of(config, window) for window in windows}
    drawn = iter(np.random.default_rng(0).integers(len(windows), size=10**5))

    def load() -> dict[str, float]:
        for _ in range(config.training.batch_size):
            for path in files[windows[next(drawn)]]:
                with np.load(path) as arrays:
                    _ = {name: arrays[name] for name in arrays.files}
        return {}

    return load


def _files_of(config: Config, window: Window) -> list[str]:
    """36 files: clouds to observe, clouds to follow, labelled points at two times."""
    clouds, ends = list(range(window.num_frames)), [0, window.num_frames - 1]
    wanted = [(CLOUD_FOLDER, frame) for frame in 2 * clouds]
    wanted += [(POINTS_FOLDER, frame) for frame in ends]
    return [StoredWindow(config.data.root, window).path(frame, folder) for folder, frame in wanted]


def generate_window(place: Workplace, name: str) -> Timed:
    """Encode a window, extract a ball, carry its vertices to 17 times; write nothing."""
    generator, observation, frame = window_task(place.config(name), place.device)

    def generate() -> dict[str, float]:
        generator.model.take_nfe()
        meshes = generator.generate(observation, frame=frame)
        wait(place.device)
        return {"nfe": generator.model.take_nfe(), "vertices": meshes.num_vertices}

    return generate


def window_task(
    config: Config, device: torch.device
) -> tuple[Generator, Observation, NormalizationFrame]:
    """A generator, and the observation and frame of reference that it generates from."""
    torch.manual_seed(0)
    model = build_model(config)
    model.decoder = Ball(model.decoder)  # type: ignore[assignment]
    generator = Generator(model, config.generation, config.data.num_frames, device)
    return generator, *held_out_observation(config)


def held_out_observation(config: Config) -> tuple[Observation, NormalizationFrame]:
    """The observation of the first test window, and the window's frame of reference."""
    window = held_out_window(config)
    rng = np.random.default_rng(0)
    observation = draw_observation(config.data, window, rng, random_view=False)
    return observation, StoredWindow(config.data.root, window).frame


class Ball(nn.Module):
    """A decoder that costs as much as an occupancy network, but answers with a ball.

    An untrained network has no surface. Here it is evaluated as usual, but its output hardly
    counts.
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.reads = decoder.reads

    def forward(self, points: Tensor, code: Code) -> Tensor:
        return 20 * (BALL_RADIUS - points.norm(dim=-1)) + 1e-6 * self.decoder(points, code)


def write_meshes(place: Workplace) -> Timed:
    """Write 17 coloured meshes, one file each."""
    meshes = _ball_meshes(place)

    def write() -> dict[str, float]:
        meshes.save(place.out / "meshes", format="ply")
        return {"vertices": meshes.num_vertices}

    return write


def evaluate_meshes(place: Workplace) -> Timed:
    """Read 17 meshes of one window and compute all metrics in one process."""
    config = place.config("pointcloud/oflow_w_correspond")
    window = held_out_window(config)
    folder = place.out / "predictions"
    _body_meshes(place).save(WindowFolder.of(folder, window).sequence)
    evaluator, predictions = build_evaluator(config), PredictedMeshes(folder)

    def evaluate() -> dict[str, float]:
        prediction = predictions.read(StoredWindow(evaluator.root, window))
        return {"records": len(evaluator.evaluate_window(window, prediction))}

    return evaluate


def held_out_window(config: Config) -> Window:
    """The first test window."""
    return build_windows(config, config.data.test_split, stride=config.data.eval_stride)[0]


def _ball_meshes(place: Workplace) -> MeshSequence:
    """A ball that moves along one axis: 28.7k vertices, 17 frames."""
    config = place.config("pointcloud/oflow")
    surface = extract_surface(
        lambda points: 20 * (BALL_RADIUS - points.norm(dim=-1)), threshold=0.3
    )
    times = frame_times(config.data.num_frames).double().numpy()
    way = times[:, None, None] * np.array([0.1, 0.0, 0.0])
    vertices = (surface.vertices[None] + way).astype(np.float32)
    frame = StoredWindow(config.data.root, held_out_window(config)).frame
    return MeshSequence(surface.faces, vertices, times, None, frame.loc, frame.scale)


def _body_meshes(place: Workplace) -> MeshSequence:
    """The true meshes of a window, with every face divided in four, as an ideal prediction."""
    config = place.config("pointcloud/oflow")
    window = held_out_window(config)
    stored = StoredWindow(config.data.root, window)
    frames = []
    for k in range(window.num_frames):
        mesh = stored.mesh(k)
        assert mesh is not None  # the held-out body has meshes
        vertices, faces = trimesh.remesh.subdivide(mesh.vertices, mesh.faces)  # type: ignore[misc]
        frames.append(vertices.astype(np.float32))
    times = frame_times(window.num_frames).double().numpy()
    faces = faces.astype(np.int32)
    return MeshSequence(faces, np.stack(frames), times, None, stored.frame.loc, stored.frame.scale)
