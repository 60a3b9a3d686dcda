"""The library's front door: a checkpoint and observations -> a moving mesh."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.build import load_trained
from im2mesh.config.schema import DataConfig
from im2mesh.config.times import exact_ends
from im2mesh.data.batch import NO_CAMERAS, Observation
from im2mesh.data.cameras import in_frame
from im2mesh.data.clouds import gather_clouds
from im2mesh.data.transforms import AS_IT_IS, NormalizationFrame, bounding_frame
from im2mesh.errors import Advice
from im2mesh.generation.generator import Generator
from im2mesh.generation.surface import GivenSurface, given_clouds
from im2mesh.machine.devices import build_device
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.orientation import face_outwards, tell_turned
from im2mesh.meshing.placement import UNIT_CUBE, tell_misplaced
from im2mesh.meshing.validity import coarse_step
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.pretrained.shipped import find_weights


class Reconstructor:
    """Reconstructs moving bodies from sequences of point clouds or images.

    Example:
        >>> reconstruct = Reconstructor.from_checkpoint(checkpoint)
        >>> meshes = reconstruct(clouds, times=[0.0, 0.5, 1.0])
        >>> meshes.save(folder / "moving", format="ply")
        >>> sorted(path.name for path in (folder / "moving").glob("*.ply"))
        ['00000.ply', '00001.ply', '00002.ply']
    """

    def __init__(self, generator: Generator, data: DataConfig) -> None:
        self.generator = generator
        self.data = data

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "auto") -> "Reconstructor":
        """Load a model from its checkpoint or weights; no config file is needed."""
        config, generator = load_trained(path, build_device(device))
        return cls(generator, config.data)

    @classmethod
    def pretrained(cls, name: str = "local", device: str = "auto") -> "Reconstructor":
        """Load weights that ship with the package, or any .safetensors file.

        Raises:
            UserError: If no weights have that name; lists those there are.
        """
        return cls.from_checkpoint(find_weights(name), device)

    def __call__(
        self,
        inputs: Sequence[np.ndarray] | Float[np.ndarray, "K *frame"],
        times: list[float] | Float[np.ndarray, "S"] | None = None,
        frame: NormalizationFrame | None = None,
        *,
        input_times: list[float] | Float[np.ndarray, "K"] | None = None,
        surfaces: tuple[Mesh, Mesh | None] | None = None,
        cameras: Float[np.ndarray, "K 3 4"] | None = None,
    ) -> Reconstruction:
        """Reconstruct one sequence.

        Args:
            inputs: Clouds [K, N, 3] in world coordinates (Y up), or RGB images [K, 3, H, W] in
                [0, 1]. K is the number of frames the model was trained for, unless its encoder
                takes any number (see docs/configuration.md). Unless the model was trained without
                correspondence, point n is the same particle in all clouds. Where rows need not
                correspond, clouds may differ in size and hold rows of NaN (see `gather_clouds`).
            times: Times of the wanted meshes, increasing from 0 (first frame) to at most 1 (last);
                None for the frames of a window of the training data.
            frame: Normalisation of the body at the first frame; None for the box of the first
                cloud. For images, None leaves the result in units of the first frame.
            input_times: Times of the observed frames, increasing from 0 to at most 1; None if they
                are evenly spaced. Other times need an encoder that sees them.
            surfaces: For models that carry a given mesh: the mesh of the first frame, and, for
                interpolation, the mesh of the last frame with the same faces; both in world
                coordinates. None carries the observed clouds themselves.
            cameras: For models that know their cameras (data.view_cameras): matrices from the
                world to each image, whose edges are at -1 and 1 (docs/data.md). Without `frame`,
                the world is that of the first body: its size is 1 and its middle at 0.

        Returns:
            Meshes in the world coordinates of the clouds, or as `frame` says for images.

        Raises:
            ValueError: If an argument has another shape or length than the model reads, or holds
                NaN or infinity.
        """
        observed = self._checked(inputs)
        schedule = self._checked_times(input_times, len(observed))
        if self.data.input == "pointcloud":
            _tell_coarse_steps(inputs)
            frame = bounding_frame(observed[0]) if frame is None else frame
            observed = frame.from_world(observed)
            advice = "a body in its frame; check it"
            tell_misplaced("the first cloud", observed[0], UNIT_CUBE, advice)
        elif frame is None:
            frame = AS_IT_IS
        observation = Observation(
            observed.astype(np.float32),
            schedule.astype(np.float32),
            self._checked_cameras(cameras, len(observed), frame),
        )
        wanted = None if times is None else _as_list("times", times)
        given = self._given(observation, surfaces, frame)
        meshes = self.generator.generate(observation, wanted, frame=frame, given=given)
        if meshes.is_empty:
            threshold = self.generator.config.threshold
            warnings.warn(
                f"the mesh is empty: no occupancy probability reaches {threshold}; does the input "
                "look like the training data (y up, one body, corresponding rows)?",
                Advice,
                stacklevel=2,
            )
        return meshes.in_world()

    def _checked(
        self, inputs: Sequence[np.ndarray] | Float[np.ndarray, "K *frame"]
    ) -> Float[np.ndarray, "K *frame"]:
        """The observation as one array of the right shape."""
        if self.data.input is None:
            raise ValueError(
                "this model holds one clip and observes nothing; use generate.py with its config"
            )
        if self.data.input == "images":
            what, observed = "images", _checked_images(inputs)
        else:
            what = "clouds"
            observed = gather_clouds(
                inputs,
                self.generator.config.seed,
                corresponding=self.data.input_pointcloud_corresponding,
                min_points=_points_needed(self.generator.model),
            )
        if len(observed) != self.data.observed_frames and not self.generator.model.takes_any_frames:
            raise ValueError(
                f"this model reads {self.data.observed_frames} {what}, got {len(observed)}; "
                "cut the sequence into windows of that length"
            )
        return observed

    def _checked_times(
        self, input_times: list[float] | Float[np.ndarray, "K"] | None, count: int
    ) -> Float[np.ndarray, "K"]:
        even = np.linspace(0.0, 1.0, count)
        if input_times is None:
            return even
        times = exact_ends(_as_list("input_times", input_times))
        if times.shape != (count,) or times[0] != 0 or (np.diff(times) <= 0).any() or times[-1] > 1:
            raise ValueError(
                f"input_times must be {count} numbers that increase from 0 to at most 1, "
                f"got {list(input_times)}"
            )
        if not (np.allclose(times, even) or self.generator.model.takes_any_frames):
            raise ValueError(
                "this model's encoder does not see the times of its frames, so they must be evenly "
                "spaced; train one whose encoder does, such as configs/pointcloud/local.yaml"
            )
        return times

    def _checked_cameras(
        self,
        cameras: Float[np.ndarray, "K 3 4"] | None,
        count: int,
        frame: NormalizationFrame,
    ) -> Float[np.ndarray, "_ 3 4"]:
        """The cameras in the frame of the first body; none for models that do not read them."""
        if not self.data.view_cameras:
            if cameras is not None:
                raise ValueError("this model reads no cameras; cameras must be None")
            return NO_CAMERAS
        given = np.zeros(0) if cameras is None else np.asarray(cameras, np.float64)
        if given.shape != (count, 3, 4):
            raise ValueError(
                f"this model reads the camera of each image; cameras must be [{count}, 3, 4], one "
                f"matrix for each of the {count} images, got {list(given.shape)}"
            )
        if not np.isfinite(given).all():
            raise ValueError("cameras hold NaN or infinity")
        try:
            return in_frame(given, frame).astype(np.float32)
        except ValueError as error:
            raise ValueError(f"cameras: {error}") from error

    def _given(
        self,
        observation: Observation,
        surfaces: tuple[Mesh, Mesh | None] | None,
        frame: NormalizationFrame,
    ) -> GivenSurface | None:
        config = self.generator.config
        if config.surface == "extracted":
            if surfaces is not None:
                raise ValueError("this model extracts its surface; surfaces must be None")
            return None
        if surfaces is None:
            return given_clouds(observation, self.data, config.blend_from_end)
        first, last = surfaces
        seen = [UNIT_CUBE] if self.data.input == "images" else observation.inputs
        end = None if last is None else _in_frame("the last surface", last, frame, seen[-1])
        return GivenSurface(_in_frame("the first surface", first, frame, seen[0]), end)


def _in_frame(
    what: str, mesh: Mesh, frame: NormalizationFrame, body: Float[np.ndarray, "N 3"]
) -> Mesh:
    """A given surface in the frame of the body, which has about size 1 there."""
    mesh, found = face_outwards(mesh)
    tell_turned(what, found)
    local = frame.from_world(mesh.vertices.astype(np.float64))
    tell_misplaced(what, local, body, "the body; give all in the same world coordinates")
    return Mesh(local.astype(np.float32), mesh.faces)


def _tell_coarse_steps(clouds: Sequence[np.ndarray] | Float[np.ndarray, "K N 3"]) -> None:
    steps = [coarse_step(np.asarray(cloud)) or 0.0 for cloud in clouds]
    if step := max(steps):
        _tell(
            f"the clouds are float32 and so far from 0 that they come in steps of {step:g}, which "
            "has bent them; give float64, or subtract an origin first"
        )


def _tell(advice: str) -> None:
    warnings.warn(advice, Advice, stacklevel=4)


def _as_list(name: str, times: list[float] | Float[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    try:
        values = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(())  # fails the check below, as a number does
    if values.ndim != 1:
        raise ValueError(f"{name} must be a list such as [0.0, 0.5, 1.0], got {times}")
    return values


def _points_needed(model: SequenceModel) -> int:
    """Number of points that the most demanding part of a model needs."""
    return max((getattr(part, "min_points", 1) for part in model.modules()), default=1)


def _checked_images(inputs: Sequence[np.ndarray] | np.ndarray) -> Float[np.ndarray, "K 3 H W"]:
    try:
        images = np.asarray(inputs, dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            f"images must be one array [T, 3, H, W] with equal sizes in every frame: {error}"
        ) from error
    if not images.size or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must have shape [T, 3, H, W], got {list(images.shape)}")
    if not np.isfinite(images).all():
        raise ValueError("images hold NaN or infinity; give numbers in [0, 1]")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"images must be in [0, 1], got {images.min():g} to {images.max():g}; divide by 255"
        )
    return images
