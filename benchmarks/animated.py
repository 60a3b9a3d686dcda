"""Size of animated files and videos, and how long they take to write and read.

    OMP_NUM_THREADS=1 python -m benchmarks.animated

A made-up bending tube of 200 frames and 30,000 vertices is written as .npz, .glb and .usdc, and
filmed with the defaults of draw.py video. Seconds are those of the processor, of all its threads
and of ffmpeg, so that other work on the machine counts little.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from benchmarks.table import markdown
from im2mesh.machine.cores import processor_name
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.video import show_file
from im2mesh.visualization.video.window_scene import VideoSettings

ENDINGS = (".npz", ".glb", ".usdc")
VIDEOS = (".mp4", ".webp", ".gif")
HEIGHT = 360  # pixels, as draw.py has it
FRAMES, RINGS, AROUND = 200, 200, 150


def main() -> None:
    tube = bending_tube()
    print(f"{processor_name()}, {tube.num_frames} frames, {tube.num_vertices} vertices")
    with tempfile.TemporaryDirectory() as folder:
        files = {ending: Path(folder) / f"tube{ending}" for ending in (*ENDINGS, *VIDEOS)}
        rows = {ending: measure(tube, files[ending]) for ending in ENDINGS}
        films = {ending: film(files[".npz"], files[ending]) for ending in VIDEOS}
    print(markdown(rows, "file"), markdown(films, "video"), sep="\n\n")


def measure(meshes: MeshSequence, path: Path) -> dict[str, float]:
    """Write and read a file; seconds of the processor, and the largest error of a coordinate."""
    started = seconds_spent()
    meshes.save(path)
    written = seconds_spent()
    back = MeshSequence.load(path)
    read = seconds_spent()
    return {
        "MB": path.stat().st_size / 1e6,
        "write, s": written - started,
        "read, s": read - written,
        "largest error": float(np.abs(back.vertices - meshes.vertices).max()),
    }


def film(meshes: Path, path: Path) -> dict[str, float]:
    """Film a sequence.npz; seconds of the processor."""
    started = seconds_spent()
    frames = show_file(meshes, VideoSettings()).write(path, HEIGHT)
    spent = seconds_spent() - started
    return {"frames": frames, "MB": path.stat().st_size / 1e6, "write, s": spent}


def seconds_spent() -> float:
    """Seconds that this process and those that it started have had of the processor."""
    return sum(os.times()[:4])


def bending_tube() -> MeshSequence:
    """A tube of length 1 that bends, sways and swells."""
    height = np.repeat(np.linspace(0, 1, RINGS), AROUND)
    angle = np.tile(np.linspace(0, 2 * np.pi, AROUND, endpoint=False), RINGS)
    times = np.linspace(0, 1, FRAMES)
    frames = [_pose(height, angle, float(time)) for time in times]
    return MeshSequence(_faces(), np.stack(frames).astype(np.float32), times)


def _pose(
    height: Float[np.ndarray, "V"], angle: Float[np.ndarray, "V"], time: float
) -> Float[np.ndarray, "V 3"]:
    phase = 2 * np.pi * time
    radius = 0.12 + 0.03 * np.sin(9 * height)
    x, y = radius * np.cos(angle), height - 0.5
    bend = 1.2 * np.sin(phase) * height**2
    swell = 1 + 0.1 * np.sin(2 * phase + 5 * height)
    sway = 0.1 * np.sin(3 * phase) * height
    turned = np.cos(bend) * x - np.sin(bend) * y + sway, np.sin(bend) * x + np.cos(bend) * y
    return np.stack([*turned, radius * np.sin(angle) * swell], -1)


def _faces() -> np.ndarray:
    ring, step = np.meshgrid(np.arange(RINGS - 1), np.arange(AROUND), indexing="ij")
    here, beside = ring * AROUND + step, ring * AROUND + (step + 1) % AROUND
    above, across = here + AROUND, beside + AROUND
    halves = np.stack([here, above, across], -1), np.stack([here, across, beside], -1)
    return np.concatenate([half.reshape(-1, 3) for half in halves]).astype(np.int32)


if __name__ == "__main__":
    main()
