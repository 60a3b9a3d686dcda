"""Observed clouds -> a moving mesh: the surface at t = 0, then its vertices through the flow."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config import GenerationConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.normals import vertex_normals
from im2mesh.meshing.refinement import refine_vertices
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.meshing.simplification import simplify_mesh
from im2mesh.models.occupancy_flow import OccupancyFlow, SequenceCodes


@dataclass
class StageTimer:
    """Seconds spent in each stage of one window."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Generator:
    """Reconstructs moving meshes with a trained model. Writes no files.

    Args:
        model: Trained, on its device.
        config: Grid, threshold and what is done to the mesh.
    """

    def __init__(self, model: OccupancyFlow, config: GenerationConfig) -> None:
        self.model = model.eval()
        self.config = config
        self.device = next(model.parameters()).device

    @torch.no_grad()
    def generate(
        self,
        clouds: Float[np.ndarray, "T N 3"],
        times: Float[np.ndarray, "S"] | None = None,
        *,
        frame: NormalizationFrame,
        timer: StageTimer | None = None,
    ) -> MeshSequence:
        """Reconstruct one window.

        Args:
            clouds: Observed, in the window's first-frame coordinates; point n is the same particle
                in all frames.
            times: Where meshes are wanted, increasing from 0 within [0, 1]. None for those of the
                config, or of the clouds.
            frame: Of the window, noted in the result.
            timer: Filled with the seconds of each stage.

        Returns:
            Meshes in the same coordinates; empty if no probability reaches the threshold.
        """
        timer = StageTimer() if timer is None else timer
        self.model.flow.nfe = 0
        with timer.stage("encode"):
            codes = self.model.encode(self._tensor(clouds).unsqueeze(0))
        vertices_0, faces = self._extract(codes, timer)
        if times is None:
            times = frame_times(self.config.num_steps or len(clouds)).double().numpy()
        with timer.stage("flow"):
            vertices = self._carry(vertices_0, times, codes)
        with timer.stage("normals"):
            normals = vertex_normals(vertices, faces) if self.config.normals else None
        return MeshSequence(
            faces, vertices, times.astype(np.float64), normals, frame.loc, frame.scale
        )

    def _extract(self, codes: SequenceCodes, timer: StageTimer) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and faces at t = 0."""
        config = self.config

        def logits(points: Tensor) -> Tensor:
            return self.model.occupancy_logits_0(points.to(self.device).unsqueeze(0), codes)[0]

        with timer.stage("extract"):
            surface = extract_surface(
                logits,
                threshold=config.threshold,
                resolution=config.resolution,
                upsampling_steps=config.upsampling_steps,
                padding=config.padding,
                batch_points=config.batch_points,
            )
        vertices, faces = surface.vertices, surface.faces
        if config.simplify_faces is not None and len(faces):
            with timer.stage("simplify"):
                vertices, faces = simplify_mesh(vertices, faces, config.simplify_faces)
        if config.refinement_steps and len(faces):
            with timer.stage("refine"):
                vertices = refine_vertices(
                    logits,
                    vertices,
                    threshold=config.threshold,
                    voxel_size=surface.voxel_size,
                    num_steps=config.refinement_steps,
                )
        return vertices, faces

    def _carry(
        self, vertices_0: Float[np.ndarray, "V 3"], times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        chunks = self._tensor(vertices_0).split(self.config.batch_points)
        schedule = self._tensor(times)
        paths = [
            self.model.trajectories(chunk.unsqueeze(0), schedule, codes)[0] for chunk in chunks
        ]
        return torch.cat(paths, dim=1).cpu().numpy()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self.device)
