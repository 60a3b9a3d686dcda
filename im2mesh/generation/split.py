"""Every window of a split -> files; finished windows are skipped."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from im2mesh.config import Config
from im2mesh.data.dataset import draw_input_clouds
from im2mesh.data.fields import window_frame
from im2mesh.data.sequences import Window
from im2mesh.generation.generator import Generator, StageTimer
from im2mesh.meshing.io import write_numbered_meshes
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.run_folder import RunFolder, WindowFolder


@dataclass(frozen=True)
class GenerationSummary:
    """What became of the windows of a split."""

    generated: int
    skipped: int
    empty: tuple[Window, ...]
    stage_seconds: dict[str, float]
    """Sum over the generated windows."""

    def __str__(self) -> str:
        lines = [f"{self.generated} windows generated, {self.skipped} were finished before"]
        if self.generated:
            means = (f"{k} {v / self.generated:.2f}" for k, v in self.stage_seconds.items())
            lines.append(f"mean seconds per window: {', '.join(means)}")
        lines += [
            f"empty: {window}; no probability reaches generation.threshold there"
            for window in self.empty
        ]
        return "\n".join(lines)


def generate_split(
    generator: Generator,
    windows: Sequence[Window],
    split: str,
    config: Config,
    folder: RunFolder,
    weights: str,
) -> GenerationSummary:
    """Generate and write all windows that are not finished yet.

    A window is finished when its summary file, written last, is there and was made with the same
    weights and settings; so meshes of an older model are never taken for those of the present one.

    Args:
        weights: Identifies the weights of the generator's model.
    """
    source = _fingerprint(weights, config)
    skipped, empty, totals = 0, [], StageTimer()
    for window in tqdm(windows, desc=f"generate {split}", unit="window"):
        files = folder.window(split, window)
        summary = _finished(files, source)
        if summary is not None:
            skipped += 1
        else:
            summary = _generate_window(generator, window, config, files, totals)
            files.summary.write_text(json.dumps({**summary, "source": source}, indent=2) + "\n")
        if summary["status"] == "empty":
            empty.append(window)
    return GenerationSummary(len(windows) - skipped, skipped, tuple(empty), totals.seconds)


def read_observation(config: Config, window: Window) -> Float[np.ndarray, "T N 3"]:
    """The input clouds of a test window: the same rows and noise in every run."""
    key = zlib.crc32(f"{window.category}/{window}".encode())
    rng = np.random.default_rng((config.generation.seed, key))
    return draw_input_clouds(config.data, window, rng)


def _fingerprint(weights: str, config: Config) -> str:
    """Whatever decides the meshes: weights, inputs, solver, and how the mesh is made."""
    parts = [config.generation, config.data, config.ode]
    text = weights + "".join(part.model_dump_json() for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _finished(files: WindowFolder, source: str) -> dict[str, Any] | None:
    """The summary of a window that is finished."""
    if not files.summary.exists():
        return None
    summary = json.loads(files.summary.read_text())
    return summary if summary.get("source") == source else None


def _generate_window(
    generator: Generator, window: Window, config: Config, files: WindowFolder, totals: StageTimer
) -> dict[str, Any]:
    """Generate and write one window; returns its summary."""
    timer = StageTimer()
    with timer.stage("read"):
        clouds = read_observation(config, window)
        frame = window_frame(config.data.root, window)
    meshes = generator.generate(clouds, frame=frame, timer=timer)
    with timer.stage("write"):
        _write(meshes, clouds, config, files)
    for stage, seconds in timer.seconds.items():
        totals.seconds[stage] = totals.seconds.get(stage, 0.0) + seconds
    return {
        "status": "empty" if meshes.is_empty else "ok",
        "frames": meshes.num_frames,
        "vertices": meshes.num_vertices,
        "faces": len(meshes.faces),
        "nfe": generator.model.flow.nfe,
        "seconds": {stage: round(seconds, 4) for stage, seconds in timer.seconds.items()},
    }


def _write(meshes: MeshSequence, clouds: np.ndarray, config: Config, files: WindowFolder) -> None:
    files.path.mkdir(parents=True, exist_ok=True)
    meshes.save(files.sequence)
    if config.generation.mesh_format is not None:
        meshes.save(files.meshes, config.generation.mesh_format)
    if config.generation.write_inputs:
        write_numbered_meshes(files.inputs, clouds, faces=np.zeros((0, 3), np.int32))
