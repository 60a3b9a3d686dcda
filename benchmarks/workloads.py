"""What is timed: each function prepares everything else and returns the work itself.

Real sizes on synthetic bodies: files of 100k points a frame, as those of D-FAUST. Weights are
fresh, as they were for the figures of the official code; evaluations of the velocity are told
beside times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor, nn

from benchmarks.machine import wait
from im2mesh.build import (
    build_config,
    build_evaluator,
    build_model,
    build_trainer,
    build_training_data,
    build_windows,
)
from im2mesh.config import Config
from im2mesh.data.batch import Batch, collate, frame_times
from im2mesh.data.fields import frame_path, mesh_path, window_frame
from im2mesh.data.observation import Observation, draw_observation
from im2mesh.data.sequences import CLOUD_FOLDER, POINTS_FOLDER, Window
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.generation import Generator
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.models.code import Code
from im2mesh.predictions import PredictedMeshes
from im2mesh.window_folder import WindowFolder

BALL_RADIUS = 0.2937
"""Of the generated surface: 28.7k vertices on a grid of 129^3, as in the figures to beat."""

Timed = Callable[[], dict[str, float]]
"""Does the work once; returns what else is worth a column."""


@dataclass(frozen=True)
class Workplace:
    """Where things are, and which settings differ from a row's own.

    Attributes:
        data: Synthetic bodies with 100k points a frame.
        out: For what is written.
        device: Of the networks.
        overrides: key=value, of every configuration; a row's own win.
    """

    data: Path
    out: Path
    device: torch.device
    overrides: tuple[str, ...] = ()

    def config(self, name: str, *overrides: str) -> Config:
        """One of the repository's configurations, on these data."""
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
    """One batch of samples from disk, every time another, in one process.

    After a first pass over all windows, as in all but the first hour of a training: the files are
    in the operating system's cache, and it is known where in them arrays lie.
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
    """The same samples from the same files, every one read as a whole: how not to do it."""
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
    """Clouds observed, clouds followed, labelled points at two times: 36 files."""
    clouds, ends = list(range(window.num_frames)), [0, window.num_frames - 1]
    wanted = [(CLOUD_FOLDER, frame) for frame in 2 * clouds]
    wanted += [(POINTS_FOLDER, frame) for frame in ends]
    return [frame_path(config.data.root, window, frame, folder) for folder, frame in wanted]


def generate_window(place: Workplace, name: str) -> Timed:
    """One window: encode, extract a ball, carry its vertices to 17 times. Nothing is written."""
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
    """What generates, and from what."""
    torch.manual_seed(0)
    model = build_model(config)
    model.decoder = Ball(model.decoder)  # type: ignore[assignment]
    generator = Generator(model, config.generation, config.data.num_frames, device)
    return generator, *held_out_observation(config)


def held_out_observation(config: Config) -> tuple[Observation, NormalizationFrame]:
    """What is seen of the first test window, and the window's frame of reference."""
    window = held_out_window(config)
    rng = np.random.default_rng(0)
    observation = draw_observation(config.data, window, rng, random_view=False)
    return observation, window_frame(config.data.root, window)


class Ball(nn.Module):
    """Asks an occupancy network, and answers with a ball.

    Fresh weights have no surface. The network is evaluated as it would be, and counts for next to
    nothing.
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.reads = decoder.reads

    def forward(self, points: Tensor, code: Code) -> Tensor:
        return 20 * (BALL_RADIUS - points.norm(dim=-1)) + 1e-6 * self.decoder(points, code)


def write_meshes(place: Workplace) -> Timed:
    """17 coloured meshes, one file each."""
    meshes = _ball_meshes(place)

    def write() -> dict[str, float]:
        meshes.save(place.out / "meshes", format="ply")
        return {"vertices": meshes.num_vertices}

    return write


def evaluate_meshes(place: Workplace) -> Timed:
    """17 meshes of one window, from their files to all metrics, by one process."""
    config = place.config("pointcloud/oflow_w_correspond")
    window = held_out_window(config)
    folder = place.out / "predictions"
    _body_meshes(place).save(WindowFolder.of(folder, window).sequence)
    evaluator, predictions = build_evaluator(config), PredictedMeshes(folder)

    def evaluate() -> dict[str, float]:
        prediction = predictions.read(evaluator.root, window)
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
    frame = window_frame(config.data.root, held_out_window(config))
    return MeshSequence(surface.faces, vertices, times, None, frame.loc, frame.scale)


def _body_meshes(place: Workplace) -> MeshSequence:
    """The true meshes of a window, every face divided in four: what a good prediction is like."""
    config = place.config("pointcloud/oflow")
    window = held_out_window(config)
    frame = window_frame(config.data.root, window)
    frames = []
    for k in range(window.num_frames):
        mesh = read_mesh(mesh_path(config.data.root, window, k))  # type: ignore[arg-type]
        vertices, faces = trimesh.remesh.subdivide(mesh.vertices, mesh.faces)  # type: ignore[misc]
        frames.append(frame.from_world(vertices.astype(np.float64)).astype(np.float32))
    times = frame_times(window.num_frames).double().numpy()
    faces = faces.astype(np.int32)
    return MeshSequence(faces, np.stack(frames), times, None, frame.loc, frame.scale)
