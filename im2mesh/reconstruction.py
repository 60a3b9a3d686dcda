"""The library's front door: a checkpoint and clouds in world coordinates -> a moving mesh."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.build import build_device, load_trained
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.generation import Generator
from im2mesh.meshing.sequence import MeshSequence


class Reconstructor:
    """Reconstructs moving meshes from point cloud sequences.

    Example:
        >>> reconstruct = Reconstructor.from_checkpoint(checkpoint)
        >>> meshes = reconstruct(clouds, times=[0.0, 0.5, 1.0])
        >>> meshes.save(folder / "moving", format="ply")
        >>> sorted(path.name for path in (folder / "moving").iterdir())
        ['00000.ply', '00001.ply', '00002.ply']
    """

    def __init__(self, generator: Generator, num_frames: int) -> None:
        self.generator = generator
        self.num_frames = num_frames

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "auto") -> "Reconstructor":
        """Load a model as its checkpoint describes it; no config file is needed."""
        config, generator = load_trained(path, build_device(device))
        return cls(generator, config.data.num_frames)

    def __call__(
        self,
        clouds: Float[np.ndarray, "T N 3"],
        times: list[float] | Float[np.ndarray, "S"] | None = None,
        frame: NormalizationFrame | None = None,
    ) -> MeshSequence:
        """Reconstruct one sequence.

        Args:
            clouds: Evenly spaced in time, in world coordinates (Y up); point n is the same
                particle in all of them. T must be the length the model was trained for.
            times: Where meshes are wanted, increasing from 0 (first cloud) to at most 1 (last);
                None for the times of the clouds.
            frame: Normalisation of the body at the first cloud; None for the box of that cloud.

        Returns:
            Meshes in the same world coordinates.

        Raises:
            ValueError: If the clouds have another shape or length, or hold NaN or infinity.
        """
        try:
            clouds = np.asarray(clouds, dtype=np.float64)
        except ValueError as error:
            raise ValueError(
                f"clouds must be one array [T, N, 3] with equal N in every frame: {error}"
            ) from error
        if clouds.ndim != 3 or clouds.shape[2] != 3:
            raise ValueError(f"clouds must have shape [T, N, 3], got {list(clouds.shape)}")
        if len(clouds) != self.num_frames:
            raise ValueError(
                f"this model reads {self.num_frames} clouds, got {len(clouds)}; "
                "cut the sequence into windows of that length"
            )
        if not np.isfinite(clouds).all():
            raise ValueError("clouds hold NaN or infinity; remove those points in all frames")
        frame = bounding_frame(clouds[0]) if frame is None else frame
        if times is None:
            times = np.linspace(0, 1, len(clouds))
        schedule = np.asarray(times, dtype=np.float64)
        if schedule.ndim != 1:
            raise ValueError(f"times must be a list such as [0.0, 0.5, 1.0], got {times}")
        local = frame.from_world(clouds).astype(np.float32)
        meshes = self.generator.generate(local, schedule, frame=frame)
        if meshes.is_empty:
            threshold = self.generator.config.threshold
            warnings.warn(
                f"the mesh is empty: no occupancy probability reaches {threshold}; does the input "
                "look like the training data (y up, one body, corresponding rows)?",
                stacklevel=2,
            )
        return meshes.in_world()
