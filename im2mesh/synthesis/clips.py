"""One clip on disk, in the layout of the authors' D-FAUST data: only missing files are written."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from im2mesh.data.clip_notes import (
    STARTED_NOTE,
    find_note,
    refuse_files_in_the_way,
    refuse_other_settings,
)
from im2mesh.data.frame_files import (
    write_camera,
    write_depth,
    write_labelled_points,
    write_surface,
)
from im2mesh.data.layout import CAMERA_FILE, CLIP_NOTE, DEPTH_FOLDER, IMAGE_FOLDER
from im2mesh.data.sampling import (
    SurfaceSample,
    normalisation_of,
    sample_cube,
    sample_near_surface,
    sample_surface,
)
from im2mesh.errors import UserError
from im2mesh.files.atomic import TEMPORARY, remove_temporary_files, write_json
from im2mesh.meshing.depth_camera import DepthCamera
from im2mesh.meshing.rendering import Camera
from im2mesh.synthesis import files
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.depth import see_body, surround_by_depth_cameras
from im2mesh.synthesis.images import draw_body, surround
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION
from im2mesh.synthesis.randomness import Purpose, random_for
from im2mesh.synthesis.shape_space import find_body
from im2mesh.synthesis.splits import Clip

MOST_DEPTH_VIEWS = 256
"""A byte of every point says which camera saw it."""


@dataclass(frozen=True)
class ClipSettings:
    """The settings that decide the content of a clip's files.

    near_surface_sigma is in units of the body's longest side, image_size in pixels.
    """

    seed: int = 0
    frames: int = 60
    surface_points: int = 20000
    occupancy_points: int = 20000
    near_surface_points: int = 0
    near_surface_sigma: float = 0.01
    meshes: bool = True
    views: int = 0
    image_size: int = 224
    depth_views: int = 0

    def __post_init__(self) -> None:
        least = {"seed": 0, "frames": 1, "surface_points": 1, "occupancy_points": 1}
        least |= {"near_surface_points": 0, "views": 0, "image_size": 1, "depth_views": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise UserError(f"{name} must be at least {minimum}, got {getattr(self, name)}")
        if self.depth_views > MOST_DEPTH_VIEWS:
            raise UserError(
                f"depth_views must be at most {MOST_DEPTH_VIEWS}, got {self.depth_views}"
            )
        if not self.near_surface_sigma > 0:
            raise UserError(f"near_surface_sigma must be positive, got {self.near_surface_sigma}")


LATER: dict[str, Any] = {"depth_views": 0}
"""Settings that came after the benchmark. Notes leave out those at these values, since the
fingerprint of a data set counts its notes."""


def as_noted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, and settings among them, as they are noted."""
    return {
        name: as_noted(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in LATER or value != LATER[name]
    }


def check_settings(path: Path, wanted: dict[str, Any]) -> None:
    """Compare the settings in a file with those asked for; see `refuse_other_settings`."""
    wanted = {**LATER, **as_noted(wanted)}
    way_out = "choose another folder, or pass --overwrite to replace it"
    refuse_other_settings(path, wanted, asdict(ClipSettings()), way_out)


@dataclass(frozen=True)
class _Shared:
    """The data that all frames of a clip share."""

    faces: Int[np.ndarray, "F 3"]
    face_text: bytes  # face lines of the OBJ files; empty without meshes
    sample: SurfaceSample
    cameras: list[Camera]
    depth_cameras: list[DepthCamera]


@dataclass(frozen=True)
class ClipWriter:
    """The writer of those frames of a clip that are not on disk yet."""

    folder: Path
    clip: Clip
    settings: ClipSettings

    def is_complete(self) -> bool:
        """Whether all frames are on disk; a clip that was begun has another note.

        Raises:
            UserError: If the clip was made with other settings, or its frames by somebody else.
        """
        note = find_note(self.folder)
        if note is not None:
            check_settings(note, asdict(self.settings))
            return note.name == CLIP_NOTE
        frames = map(self.frame_paths, range(self.settings.frames))
        paths = [path for paths in frames for path in paths.values()]
        refuse_files_in_the_way(self.folder, [*paths, *self.camera_paths()])
        return False

    def write(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> None:
        """Write the missing frames, between two notes; stop early once `is_stopped` is true.

        Args:
            on_frame: Callback after each frame, also after one that was on disk already.
        """
        for folder in {path.parent for path in self.folder.rglob(f"*{TEMPORARY}")}:
            remove_temporary_files(folder)  # of a process that was killed
        write_json(self.folder / STARTED_NOTE, as_noted(asdict(self.settings)))
        body = find_body(self.clip.body)
        vertices = animate(self.clip, self.settings.frames, self.settings.seed)
        sample = sample_surface(
            vertices[0], body.faces, self.settings.surface_points, self._random(Purpose.SURFACE)
        )
        shared = _Shared(
            faces=body.faces,
            face_text=files.obj_faces(body.faces) if self.settings.meshes else b"",
            sample=sample,
            cameras=surround(vertices, self.settings.views),
            depth_cameras=surround_by_depth_cameras(vertices, self.settings.depth_views),
        )
        for path, camera in zip(self.camera_paths(), shared.cameras, strict=True):
            write_camera(path, camera.projection)
        for frame in range(self.settings.frames):
            if is_stopped():
                return
            if not all(path.is_file() for path in self.frame_paths(frame).values()):
                self._write_frame(frame, vertices[frame], shared)
            on_frame()
        (self.folder / STARTED_NOTE).replace(self.folder / CLIP_NOTE)

    def frame_paths(self, frame: int) -> dict[str, Path]:
        """The files of a frame, by kind."""
        paths = {
            "surface": self.folder / "pcl_seq" / f"{frame:08d}.npz",
            "points": self.folder / "points_seq" / f"{frame:08d}.npz",
        }
        if self.settings.near_surface_points:
            paths["near"] = self.folder / "points_near_seq" / f"{frame:08d}.npz"
        if self.settings.meshes:
            paths["mesh"] = self.folder / "mesh_seq" / f"{frame:05d}.obj"
        if self.settings.depth_views:
            paths["depth"] = self.folder / DEPTH_FOLDER / f"{frame:08d}.npz"
        for view in range(self.settings.views):
            paths[f"view {view}"] = self.folder / IMAGE_FOLDER / str(view) / f"{frame:08d}.jpg"
        return paths

    def camera_paths(self) -> list[Path]:
        """The files of the cameras, one per view."""
        folders = [self.folder / IMAGE_FOLDER / str(view) for view in range(self.settings.views)]
        return [folder / CAMERA_FILE for folder in folders]

    def _random(self, purpose: Purpose, frame: int = 0) -> np.random.Generator:
        motion = list(EVERY_MOTION).index(self.clip.motion)
        return random_for(self.settings.seed, self.clip.body, motion, purpose, frame)

    def _write_frame(self, frame: int, vertices: Float[np.ndarray, "V 3"], shared: _Shared) -> None:
        paths, faces = self.frame_paths(frame), shared.faces
        normalisation = normalisation_of(vertices)
        normalised = normalisation.from_world(vertices)
        surface = shared.sample, normalisation, np.float16  # as in the authors' data; it is exact
        write_surface(paths["surface"], normalised, faces, *surface)
        points = self._draw_points(frame, normalised, faces)
        labelled = {paths[kind]: points[kind] for kind in points if kind in paths}
        write_labelled_points(labelled, normalised, faces, normalisation, np.float16)
        if "mesh" in paths:
            files.write_obj(paths["mesh"], vertices, shared.face_text)
        if "depth" in paths:
            seen = see_body(
                vertices, faces, shared.depth_cameras, self._random(Purpose.DEPTH, frame)
            )
            cameras = np.stack([camera.projection for camera in shared.depth_cameras])
            write_depth(paths["depth"], *seen, cameras, normalisation, np.float16)
        images = draw_body(vertices, faces, shared.cameras, self.settings.image_size)
        for view, image in enumerate(images):
            files.write_jpeg(paths[f"view {view}"], image)

    def _draw_points(
        self, frame: int, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> dict[str, Float[np.ndarray, "_ 3"]]:
        settings = self.settings
        near = sample_near_surface(
            vertices,
            faces,
            settings.near_surface_points,
            settings.near_surface_sigma,
            self._random(Purpose.NEAR_SURFACE, frame),
        )
        uniform = sample_cube(settings.occupancy_points, self._random(Purpose.UNIFORM, frame))
        return {"points": uniform, "near": near}
