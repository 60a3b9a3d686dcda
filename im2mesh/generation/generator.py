"""An observation -> meshes over time, made in the way that the model's answers allow."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config.schema import GenerationConfig
from im2mesh.config.times import exact_ends
from im2mesh.data.batch import Observation, frame_times
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import UserError
from im2mesh.generation.carrying import carry_by_interpolation
from im2mesh.generation.stage_timer import StageTimer
from im2mesh.generation.surface import (
    GivenSurface,
    SurfaceOfCloud,
    check_generation,
    extract_mesh,
    points_at_once,
)
from im2mesh.machine.memory import explain_out_of_memory
from im2mesh.meshing.frame_meshes import FrameMeshes, Reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.normals import vertex_normals
from im2mesh.models.copies import MeanOverCopies
from im2mesh.models.sequence_model import Inputs, SequenceCodes, SequenceModel
from im2mesh.models.views import with_cameras
from im2mesh.runs.origins import Notes

Fit = Callable[[MeshSequence, Observation, GenerationConfig, SurfaceOfCloud | None], MeshSequence]
"""A moving mesh, what was observed, settings, and what finds the surface of a cloud, if it may be
found anew -> the mesh that fits better."""

WHAT_TO_LOWER = "lower generation.batch_points, or generation.resolution"


class Generator:
    """Reconstructs moving bodies with a trained model. Writes no files.

    With a model of occupancy and motion, the surface is extracted at t = 0 and carried through
    time; with one of occupancy alone, it is extracted anew at every time. A model of motion alone
    carries a given surface. A point set is used as it is.

    Args:
        model: Trained model.
        config: Grid, threshold and processing of the mesh.
        num_frames: Number of frames of a window, whose times are the default times of the result.
        device: Device to compute on; the model is moved there.
        trained_by: Notes on the training of the model, stored with results (see `RunOrigin`).

    Attributes:
        asked: What answers: the model, or its mean over generation.copies of what is observed.
        fit: What fits the motion to the observation, if generation.fit_iterations asks for it.

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
        self.asked = self.model
        if config.copies > 1:
            self.asked = MeanOverCopies(self.model, config.copies).to(self.device)
        self.config = config
        self.num_frames = num_frames
        self.trained_by = trained_by
        self.fit: Fit | None = None
        check_generation(model, config)

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
            observation: Observation in the coordinates of the window's first frame.
            times: Times of the meshes, increasing from 0 within [0, 1]. None for those of the
                config, or else of the window's frames.
            frame: Place and size of the window's first frame in the world, stored in the result.
            given: Surface to carry, for configs with generation.surface mesh or cloud.
            timer: Timer that receives the seconds of each stage.

        Returns:
            Meshes in the observation's coordinates; empty if no probability reaches the threshold.

        Raises:
            ValueError: If a given surface is needed and missing.
        """
        timer = StageTimer() if timer is None else timer
        with timer.stage("encode"):
            codes = self.encode(observation)
        meshes = self.generate_from_codes(codes, times, frame=frame, given=given, timer=timer)
        if not (self.config.fit_iterations and isinstance(meshes, MeshSequence)):
            return meshes
        if self.fit is None:
            raise ValueError("generation.fit_iterations needs a fit; im2mesh.build provides it")
        extract = None if self.needs_given_surface else self.surface_of
        with timer.stage("fit"):
            return self.fit(meshes, observation, self.config, extract)

    @torch.no_grad()
    @explain_out_of_memory(WHAT_TO_LOWER)
    def encode(self, observation: Observation) -> SequenceCodes:
        """Encode one window (B = 1); latent codes are the means of their posteriors."""
        return self.asked.encode(*self._batch_of(observation))

    def velocities(
        self, codes: SequenceCodes, points: Float[np.ndarray, "N 3"], t: float
    ) -> Float[np.ndarray, "N 3"]:
        """The velocity field of one encoded window: velocities of the particles that are at points
        of space at time t, in units of the window's first frame per window length.

        Raises:
            UserError: If the model moves no points of space.
        """
        if "motion back" not in self.model.answers:
            raise UserError(
                f"{self.model.method} moves no points of space, so it has no field of velocities"
            )
        batches = self._tensor(points).split(points_at_once(self.config))
        moved = [self.asked.velocities(batch[None], t, codes)[0] for batch in batches]
        return torch.cat(moved).cpu().numpy() if moved else points[:0]

    @torch.no_grad()
    @explain_out_of_memory(WHAT_TO_LOWER)
    def extract_shape(self, observation: Observation) -> Mesh:
        """The surface at t = 0 alone, of one window."""
        codes = self.asked.encode_shape(*self._batch_of(observation))
        return self._extract(0.0, codes, StageTimer())

    def surface_of(self, cloud: Float[np.ndarray, "N 3"]) -> Mesh:
        """The surface of a single cloud, in its coordinates."""
        return self.extract_shape(Observation(cloud[None], np.zeros(1, np.float32)))

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
        """Reconstruct one sequence from its encoded, drawn or blended codes (B = 1)."""
        timer = StageTimer() if timer is None else timer
        times = self._schedule() if times is None else exact_ends(times.astype(np.float64))
        if "point set" in self.model.answers:
            with timer.stage("points"):
                points = self.asked.point_set(_host_times(times), codes)[0].cpu().numpy()
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
            vertices = self.carry(start.vertices, times, codes)
        return self._sequence(vertices, start.faces, times, frame, timer)

    def _batch_of(self, observation: Observation) -> tuple[Inputs, Float[Tensor, "1 K"]]:
        """What the model sees of one window, and the times."""
        inputs, cameras = (self._tensor(x)[None] for x in (observation.inputs, observation.cameras))
        return with_cameras(inputs, cameras), _host_times(observation.times)[None]

    def _schedule(self) -> Float[np.ndarray, "S"]:
        if self.config.times is not None:
            return np.array(self.config.times)
        return frame_times(self.config.num_steps or self.num_frames).double().numpy()

    def _extract(self, t: float, codes: SequenceCodes, timer: StageTimer) -> Mesh:
        time = torch.full((1,), t)

        def logits(points: Tensor) -> Tensor:
            batch = points.to(self.device).unsqueeze(0)
            if t == 0:
                return self.asked.occupancy_logits_0(batch, codes)[0]
            return self.asked.occupancy_logits(batch, time, codes)[0]

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

    def carry(
        self, vertices_0: Float[np.ndarray, "V 3"], times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        """Carry points from t = 0 to each of the times, which increase from 0; B = 1."""
        schedule, ask = _host_times(times), self.asked.trajectories
        return self._paths(vertices_0, lambda points: ask(points, schedule, codes))

    def _carry_given(
        self, given: GivenSurface, times: np.ndarray, codes: SequenceCodes
    ) -> Float[np.ndarray, "S V 3"]:
        """Carry the first surface forward; if configured, blend it with the last, carried back.

        At time t their weights are 1 - t and t, so both ends are met exactly (sec. 4.4 of the
        paper, w = k / (T - 1) for evenly spaced frames).
        """
        forward = self.carry(given.start.vertices, times, codes)
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
        schedule = _host_times(times if times[-1] == 1 else np.append(times, 1.0))

        ask = self.asked.trajectories_from_end
        return self._paths(vertices_1, lambda points: ask(points, schedule, codes))[: len(times)]

    def _paths(
        self, vertices: Float[np.ndarray, "V 3"], carry: Callable[[Tensor], Tensor]
    ) -> Float[np.ndarray, "S V 3"]:
        """Carry vertices in batches: all of them, or as many as the tolerance needs; a GPU carries
        all of them sooner than the host interpolates."""

        @torch.no_grad()
        def carry_all(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "S N 3"]:
            batches = self._tensor(points).split(points_at_once(self.config))
            paths = [carry(batch.unsqueeze(0))[0] for batch in batches]
            return torch.cat(paths, dim=1).cpu().numpy()

        if self.config.carry_tolerance is None or self.device.type != "cpu":
            return carry_all(vertices)
        return carry_by_interpolation(vertices, carry_all, self.config.carry_tolerance)

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


def _host_times(times: Float[np.ndarray, "T"]) -> Float[Tensor, "T"]:
    """Times as the model wants them: on the CPU, where the host plans its steps."""
    return torch.as_tensor(times, dtype=torch.float32)
