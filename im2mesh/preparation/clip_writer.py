"""One clip of a source -> its files in our layout; only missing frames are written."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from im2mesh.data.clip_notes import (
    STARTED_NOTE,
    find_note,
    refuse_files_in_the_way,
    refuse_other_settings,
)
from im2mesh.data.frame_files import write_labelled_points, write_surface
from im2mesh.data.layout import (
    CLIP_NOTE,
    CLOUD_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
)
from im2mesh.data.sampling import (
    SurfaceSample,
    sample_cube,
    sample_near_surface,
    sample_surface,
)
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.errors import UserError
from im2mesh.files.atomic import TEMPORARY, atomic_file, remove_temporary_files, write_json
from im2mesh.files.hashes import hash_text
from im2mesh.meshing.formats.ply import ply_bytes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import compact_positions
from im2mesh.preparation.settings import PreparationSettings
from im2mesh.preparation.sources.clip_source import ClipSource
from im2mesh.preparation.survey import Survey, read_frame, surface_corners, survey

_WAY_OUT = "choose another folder, or move that clip away"


class _Purpose(IntEnum):
    """The use of a random draw. The values are part of the data: never renumber."""

    SURFACE = 0
    UNIFORM = 1
    NEAR_SURFACE = 2


@dataclass(frozen=True)
class ClipWriter:
    """The writer of one clip.

    Attributes:
        folder: Folder of the clip, which may not exist yet.
        source: Where its frames come from.
        settings: What is written of each frame.
    """

    folder: Path
    source: ClipSource
    settings: PreparationSettings

    def is_complete(self) -> bool:
        """Whether all frames are on disk.

        Raises:
            UserError: If the clip was made with other settings, or its files by somebody else.
        """
        note = find_note(self.folder)
        if note is not None:
            refuse_other_settings(note, self._content(), {}, _WAY_OUT)
            return note.name == CLIP_NOTE
        frames = map(self.frame_paths, range(self.source.num_frames))
        refuse_files_in_the_way(self.folder, [p for paths in frames for p in paths.values()])
        return False

    def write(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> str | None:
        """Write the missing frames, between two notes; stop early once `is_stopped` is true.

        Returns:
            What is wrong with the source, if it cannot be prepared; other clips may be fine.
        """
        self._tidy()
        try:
            self._write_frames(is_stopped, on_frame)
        except UserError as error:
            return str(error)
        return None

    def missing_frames(self) -> list[int]:
        """Indices of the frames of which a file is missing."""
        paths = {k: self.frame_paths(k).values() for k in range(self.source.num_frames)}
        return [k for k, files in paths.items() if not all(path.is_file() for path in files)]

    def frame_paths(self, index: int) -> dict[str, Path]:
        """The files of a frame: folder of the clip -> path."""
        number, settings = self.source.numbers[index], self.settings
        folders = {CLOUD_FOLDER: True}
        folders[POINTS_FOLDER] = settings.occupancy_points > 0
        folders[NEAR_POINTS_FOLDER] = settings.near_surface_points > 0
        paths = {
            name: self.folder / name / f"{number:08d}.npz"
            for name, is_wanted in folders.items()
            if is_wanted
        }
        if settings.meshes:
            paths[MESH_FOLDER] = self.folder / MESH_FOLDER / f"{number:05d}.ply"
        return paths

    def frames_to_write(self) -> tuple[int, int]:
        """How many frames will take room on the disk: for good, and until the clip is finished."""
        return len(self.missing_frames()), 0

    def _tidy(self) -> None:
        """Remove what a process that was killed left half-written."""
        for folder in {path.parent for path in self.folder.rglob(f"*{TEMPORARY}")}:
            remove_temporary_files(folder)

    def _content(self) -> dict[str, Any]:
        """What decides the content of the files, as JSON keeps it."""
        return {"frames": self.source.num_frames, **asdict(self.settings)}

    def _write_frames(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> None:
        placement = self.settings.placement
        with self.source.open() as read:
            found = survey(self.source, read, placement)
            note = {
                **self._content(),
                "corresponds": found.faces is not None,
                "change": found.change,
                "open_frames": found.num_open,
                "turned": found.turned,
            }
            write_json(self.folder / STARTED_NOTE, note)
            first = found.outwards(read_frame(self.source, read, 0, placement))
            sample = self._sample(first, 0)
            for index in self.missing_frames():
                if is_stopped():
                    return
                mesh = found.outwards(read_frame(self.source, read, index, placement))
                of_frame = sample if found.faces is not None else self._sample(mesh, index)
                self._write_frame(index, mesh, of_frame, found)
                on_frame()
        (self.folder / STARTED_NOTE).replace(self.folder / CLIP_NOTE)

    def _write_frame(self, index: int, mesh: Mesh, sample: SurfaceSample, found: Survey) -> None:
        paths, frame = self.frame_paths(index), self._normalisation(mesh, found)
        vertices, faces = frame.from_world(mesh.vertices), mesh.faces
        write_surface(paths[CLOUD_FOLDER], vertices, faces, sample, frame, np.float64)
        points = self._draw_points(index, vertices, mesh)
        labelled = {paths[name]: points[name] for name in points if name in paths}
        if labelled and not write_labelled_points(labelled, vertices, faces, frame, np.float64):
            raise UserError(
                f"{self.source.where(index)} encloses nothing: none of its labelled points lies "
                "inside; close its surface, or pass --occupancy-points 0 --near-surface-points 0 "
                "for clips without labels"
            )
        if MESH_FOLDER in paths:
            with atomic_file(paths[MESH_FOLDER]) as file:
                file.write(ply_bytes(Mesh(compact_positions(mesh.vertices), faces)))

    def _normalisation(self, mesh: Mesh, found: Survey) -> NormalizationFrame:
        if self.settings.normalise == "clip":
            return bounding_frame(np.stack([found.low, found.high]))
        return bounding_frame(surface_corners(mesh))

    def _sample(self, mesh: Mesh, index: int) -> SurfaceSample:
        rng = self._random(_Purpose.SURFACE, index)
        return sample_surface(mesh.vertices, mesh.faces, self.settings.surface_points, rng)

    def _draw_points(
        self, index: int, vertices: Float[np.ndarray, "V 3"], mesh: Mesh
    ) -> dict[str, Float[np.ndarray, "_ 3"]]:
        """Points to be labelled: folder of the clip -> points, as they are stored."""
        settings = self.settings
        near = sample_near_surface(
            vertices,
            mesh.faces,
            settings.near_surface_points,
            settings.near_surface_sigma,
            self._random(_Purpose.NEAR_SURFACE, index),
        )
        uniform = sample_cube(settings.occupancy_points, self._random(_Purpose.UNIFORM, index))
        return {POINTS_FOLDER: uniform, NEAR_POINTS_FOLDER: near}

    def _random(self, purpose: _Purpose, index: int) -> np.random.Generator:
        """Draws that depend neither on the other clips nor on the order of work."""
        name = int(hash_text(self.source.name), 16)
        return np.random.default_rng((self.settings.seed, name, purpose, index))
