"""Every window of a split -> files; finished windows are skipped."""

import hashlib
import json
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from im2mesh.atomic import write_json, write_text
from im2mesh.checkpoints import weights_digest
from im2mesh.config import Config, dump_config
from im2mesh.data.fields import window_frame
from im2mesh.data.observation import Observation, draw_observation
from im2mesh.data.sequences import Window
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.generation.generator import Generator, StageTimer
from im2mesh.generation.surface import GivenSurface, read_given_surface
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.io import write_numbered_clouds
from im2mesh.run_folder import CONFIG_FILE, RunFolder
from im2mesh.window_folder import WindowFolder


@dataclass(frozen=True)
class GenerationSummary:
    """What became of the windows of a split."""

    generated: int
    skipped: int
    replaced: int
    empty: tuple[Window, ...]
    stage_seconds: dict[str, float]
    """Sum over the generated windows."""

    def __str__(self) -> str:
        lines = [f"{self.generated} windows generated, {self.skipped} were finished before"]
        if self.replaced:
            lines.append(f"{self.replaced} replaced: weights, input or settings have changed")
        if self.generated:
            means = (f"{k} {v / self.generated:.2f}" for k, v in self.stage_seconds.items())
            lines.append(f"mean seconds per window: {', '.join(means)}")
        lines += [
            f"empty: {window}; no probability reaches generation.threshold there"
            for window in self.empty
        ]
        return "\n".join(lines)


def generate_split(
    generator: Generator, windows: Sequence[Window], split: str, config: Config, folder: RunFolder
) -> GenerationSummary:
    """Generate and write all windows that are not finished yet.

    A window is finished when its summary file, written last, is there and was made from the same
    input with the same weights and settings: meshes of an older model are never taken for those of
    the present one.
    """
    write_text(folder.generation(split) / CONFIG_FILE, dump_config(config))
    maker = weights_digest(generator.model)
    skipped, replaced, empty, totals = 0, 0, [], StageTimer()
    for window in tqdm(windows, desc=f"generate {split}", unit="window"):
        source = read_input(config, window)
        fingerprint = _fingerprint(maker, config, source)
        files = folder.window(split, window)
        summary = _finished(files, fingerprint)
        if summary is not None:
            skipped += 1
        else:
            replaced += files.summary.exists()
            summary = _generate_window(generator, source, config, files, totals)
            write_json(files.summary, {**summary, "source": fingerprint})
        if summary["status"] == "empty":
            empty.append(window)
    generated = len(windows) - skipped
    return GenerationSummary(generated, skipped, replaced, tuple(empty), totals.seconds)


@dataclass(frozen=True)
class WindowInput:
    """What a window is reconstructed from, in the coordinates of `frame`, its first frame."""

    observation: Observation
    given: GivenSurface | None
    frame: NormalizationFrame


def read_input(config: Config, window: Window) -> WindowInput:
    """The input of a test window: the same points and noise in every run, the first view."""
    key = zlib.crc32(f"{window.category}/{window}".encode())
    rng = np.random.default_rng((config.generation.seed, key))
    observation = draw_observation(config.data, window, rng, random_view=False)
    given = read_given_surface(config.data, window, observation, config.generation)
    return WindowInput(observation, given, window_frame(config.data.root, window))


def _fingerprint(weights: str, config: Config, source: WindowInput) -> str:
    """Whatever decides the meshes: weights, input, solver, and how the mesh is made."""
    settings = config.generation.model_dump_json() + config.ode.model_dump_json()
    settings += config.model.model_dump_json()  # some parts have settings and no weights
    settings += f"{config.data.num_frames} {config.data.frame_step}"
    frame = f"{source.frame.loc.tolist()} {source.frame.scale}"
    digest = hashlib.sha256(f"{weights} {settings} {frame}".encode())
    digest.update(source.observation.inputs.tobytes())
    digest.update(source.observation.times.tobytes())
    for mesh in (source.given.start, source.given.end) if source.given else ():
        digest.update(b"" if mesh is None else mesh.vertices.tobytes() + mesh.faces.tobytes())
    return digest.hexdigest()[:16]


def _finished(files: WindowFolder, source: str) -> dict[str, Any] | None:
    """The summary of a window that is finished."""
    if not files.summary.exists():
        return None
    summary = json.loads(files.summary.read_text())
    return summary if summary.get("source") == source else None


def _generate_window(
    generator: Generator,
    source: WindowInput,
    config: Config,
    files: WindowFolder,
    totals: StageTimer,
) -> dict[str, Any]:
    """Generate and write one window; returns its summary."""
    timer = StageTimer()
    generator.model.take_nfe()
    meshes = generator.generate(
        source.observation, frame=source.frame, given=source.given, timer=timer
    )
    nfe = generator.model.take_nfe()
    with timer.stage("write"):
        _write(meshes, source.observation, config, files)
    for stage, seconds in timer.seconds.items():
        totals.seconds[stage] = totals.seconds.get(stage, 0.0) + seconds
    return {
        "status": "empty" if meshes.is_empty else "ok",
        "frames": meshes.num_frames,
        "vertices": meshes.num_vertices,
        "faces": meshes.num_faces,
        "nfe": nfe,
        "seconds": {stage: round(seconds, 4) for stage, seconds in timer.seconds.items()},
    }


def _write(
    meshes: Reconstruction, observation: Observation, config: Config, files: WindowFolder
) -> None:
    """Write what was asked for, and nothing of an earlier run beside it."""
    if files.path.exists():
        shutil.rmtree(files.path)
    files.path.mkdir(parents=True)
    meshes.save(files.sequence)
    if config.generation.mesh_format is not None:
        meshes.save(files.meshes, config.generation.mesh_format)
    if config.generation.write_inputs:
        write_observation(files.inputs, observation)


def write_observation(folder: Path, observation: Observation) -> None:
    """Write observed clouds as ply, or observed images as png; a number per observed frame."""
    if observation.inputs.ndim == 3:
        write_numbered_clouds(folder, observation.inputs)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(observation.inputs):
        pixels = np.rint(255 * image.transpose(1, 2, 0)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:05d}.png")
