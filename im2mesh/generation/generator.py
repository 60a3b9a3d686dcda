"""An observation -> meshes over time, by whatever the model can be asked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config import GenerationConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.observation import Observation
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.generation.surface import GivenSurface, extract_mesh
from im2mesh.memory import explain_out_of_memory
from im2mesh.meshing.frame_meshes import FrameMeshes, Reconstruction
from im2mesh.meshing.io import Mesh
from im2mesh.meshing.normals import vertex_normals
from im2mesh.meshing.sequence import MeshSequence
from im2mesh.models.sequence_model import SequenceCodes, SequenceModel
from im2mesh.origins import Notes

WHAT_TO_LOWER = "lower generation.batch_points, or generation.resolution"


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
    """Reconstructs moving bodies with a trained model. Writes no files.

    A model that knows occupancy and motion gives the surface at t = 0, carried through time; one
    that knows occupancy alone a surface at every time anew; one that knows motion alone carries a
    given surface; a point set is taken as it is.

    Args:
        model: Trained.
        config: Grid, threshold and what is done to the mesh.
        num_frames: Frames of a window, which are the times of the result if no others are asked.
        device: Where to compute; the model is moved there.
        trained_by: What trained the model, for results to tell (see `RunOrigin`).

    Raises:
        ValueError: If the config asks for a surface that the model cannot provide.
    """

    def __init__(
        self,
        model: SequenceModel,
        config: GenerationConfig,
        num_frames: int,
        device: torch.device | None = None,
        trained_by: Notes = (),
    ) -> None:
        self.device = torch.device("cpu") if device is None else device
        self.model = model.to(self.device).eval()
        self.config = config
        self.num_frames = num_frames
        self.trained_by = trained_by
        _check_surface(model, config)

    @property
    def needs_given_surface(self) -> bool:
        return self.config.surface != "extracted"

    @torch.no_grad()
    def generate(
        self,
        observation: Observation,
        times: Float[np.ndarray, "S"] | None = None,
        *,
        frame: NormalizationFrame,
        given: GivenSurface | None = None,
        timer: StageTimer | None = None,
    ) -> Reconstruction:
        """Reconstruct one window.

        Args:
            observation: In the window's first-frame coordinates.
            times: Where the body is wanted, increasing from 0 within [0, 1]. None for those of the
                config, or of the window's frames.
            frame: Of the window, noted in the result.
            given: The surface to carry, for configs with generation.surface mesh or cloud.
            timer: Filled with the seconds of each stage.

        Returns:
            Meshes in the same coordinates; empty if no probability reaches the threshold.

        Raises:
            ValueError: If a given surface is needed and missing.
        """
        timer = StageTimer() if timer is None else timer
        with timer.stage("encode"):
            codes = self.encode(observation)
        return self.generate_from_codes(codes, times, frame=frame, given=given, timer=timer)

    @torch.no_grad()
    @explain_out_of_memory(WHAT_TO_LOWER)
    def encode(self, observation: Observation) -> SequenceCodes:
        """The codes of one window (B = 1); of latent codes the means of their posteriors."""
        inputs, times = self._tensor(observation.inputs), self._tensor(observation.times)
        return self.model.encode(inputs.unsqueeze(0), times.unsqueeze(0))

    @torch.no_grad()
    @explain_out_of_memory(WHAT_TO_LOWER)
    def generate_from_codes(
        self,
        codes: SequenceCodes,
        times: Float[np.ndarray, "S"] | None = None,
        *,
        frame: NormalizationFrame,
        given: GivenSurface | None = None,
        timer: StageTimer | None = None,
    ) -> Reconstruction:
        """The same from codes of one sequence (B = 1), encoded, drawn or blended."""
        timer = StageTimer() if timer is None else timer
        times = self._schedule() if times is None else times.astype(np.float64)
        if "point set" in self.model.answers:
            with timer.stage("points"):
                points = self.model.point_set(self._tensor(times), codes)[0].cpu().numpy()
            return self._sequence(points, np.zeros((0, 3), np.int32), times, frame, timer)
        if self.needs_given_surface:
            if given is None:
                raise ValueError(
                    f"generation.surface is {self.config.surface}, so the surface must be given"
                )
            with timer.stage("flow"):
                vertices = self._carry_given(given, times, codes)
            return self._sequence(vertices, given.start.faces, times, frame, timer)
        if "motion" not in self.model.answers:
            return self._extract_every_time(codes, times, frame, timer)
        start = self._extract(0.0, codes, timer)
        with timer.stage("flow"):
            vertices = self._carry(start.vertices, times, codes)
        return self._sequence(vertices, start.faces, times, frame, timer)

    def _schedule(self) -> Float[np.ndarray, "S"]:
        if self.config.times is not None:
            return np.array(self.config.times)
        return frame_times(self.config.num_steps or self.num_frames).double().numpy()

    def _extract(self, t: float, codes: SequenceCodes, timer: StageTimer) -> Mesh:
        time = torch.full((1,), t, device=self.device)

        def logits(points: Tensor) -> Tensor:
            batch = points.to(self.device).unsqueeze(0)
            if t == 0:
                return self.model.occupancy_logits_0(batch, codes)[0]
            return self.model.occupancy_logits(batch, time, codes)[0]

        with timer.stage("extract"):
            return extract_mesh(logits, self.config)

    def _extract_every_time(
        self,
        codes: SequenceCodes,
        times: Float[np.ndarray, "S"],
        frame: NormalizationFrame,
        timer: StageTimer,
    ) -> FrameMeshes:
        meshes = tuple(self._extract(float(t), codes, timer) for t in times)
        normals = None
        if self.config.normals:
            with timer.stage("normals"):
                normals = tuple(vertex_normals(m.vertices[None], m.faces)[0] for m in meshes)
        return FrameMeshes(meshes, times, normals, frame.loc, frame.scale)

    def _carry(
        self, vertices_0: Float[np.ndarray, "V 3"], times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        chunks = self._tensor(vertices_0).split(self.config.batch_points)
        schedule = self._tensor(times)
        paths = [
            self.model.trajectories(chunk.unsqueeze(0), schedule, codes)[0] for chunk in chunks
        ]
        return torch.cat(paths, dim=1).cpu().numpy()

    def _carry_given(
        self, given: GivenSurface, times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        """Forward from the first frame; with a surface at the end, blended with its way back.

        At time t the two weigh 1 - t and t, so both ends are met exactly (sec. 4.4 of the paper,
        w = k / (T - 1) for evenly spaced frames).
        """
        forward = self._carry(given.start.vertices, times, codes)
        if not self.config.blend_from_end:
            return forward
        if given.end is None:
            raise ValueError("generation.blend_from_end needs the surface of the last frame, too")
        backward = self._carry_back(given.end.vertices, times, codes)
        weights = times.astype(np.float32)[:, None, None]
        return (1 - weights) * forward + weights * backward

    def _carry_back(
        self, vertices_1: Float[np.ndarray, "V 3"], times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        to_end = times if times[-1] == 1 else np.append(times, 1.0)
        chunks = self._tensor(vertices_1).split(self.config.batch_points)
        schedule = self._tensor(to_end)
        paths = [
            self.model.trajectories_from_end(chunk.unsqueeze(0), schedule, codes)[0]
            for chunk in chunks
        ]
        return torch.cat(paths, dim=1).cpu().numpy()[: len(times)]

    def _sequence(
        self,
        vertices: Float[np.ndarray, "S V 3"],
        faces: Int[np.ndarray, "F 3"],
        times: Float[np.ndarray, "S"],
        frame: NormalizationFrame,
        timer: StageTimer,
    ) -> MeshSequence:
        normals = None
        if self.config.normals:
            with timer.stage("normals"):
                normals = vertex_normals(vertices, faces)
        return MeshSequence(faces, vertices, times, normals, frame.loc, frame.scale)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self.device)


def _check_surface(model: SequenceModel, config: GenerationConfig) -> None:
    """Refuse what the model cannot give, and settings that would have no effect."""
    is_given = config.surface != "extracted"
    if is_given and "motion" not in model.answers:
        raise ValueError(
            f"generation.surface is {config.surface}, but {model.method} carries nothing; "
            "set it to extracted"
        )
    if not is_given and model.answers.isdisjoint({"occupancy", "point set"}):
        raise ValueError(
            "generation.surface is extracted, but the model has no occupancy network; "
            "set it to mesh or cloud"
        )
    if config.blend_from_end and not is_given:
        raise ValueError("generation.blend_from_end needs generation.surface mesh or cloud")
    if config.blend_from_end and "motion back" not in model.answers:
        raise ValueError(
            f"{model.method} carries nothing back; set generation.blend_from_end to false"
        )
    if config.times is not None and config.num_steps is not None:
        raise ValueError(
            "generation.times and generation.num_steps exclude each other; set one of them to null"
        )
    is_extracted = not is_given and "point set" not in model.answers
    if not is_extracted and (config.simplify_faces or config.refinement_steps):
        raise ValueError(
            "generation.simplify_faces and refinement_steps are for extracted surfaces; nothing is "
            "extracted here, so set them to null and 0"
        )
    if config.normals and not (is_extracted or config.surface == "mesh"):
        raise ValueError("points without faces have no normals; set generation.normals to false")
