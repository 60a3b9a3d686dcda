"""The check of one frame of a clip: each of its files, and whether they fit together."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from im2mesh.data.layout import (
    CLOUD_FOLDER,
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
)
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.orientation import face_outwards
from im2mesh.preparation.checks import plausibility
from im2mesh.preparation.checks.findings import Findings
from im2mesh.preparation.checks.frame_files import (
    check_image,
    read_cloud,
    read_labels,
)
from im2mesh.preparation.checks.stored import Cloud, Labels
from im2mesh.preparation.checks.stored_frames import StoredFrame


@dataclass(frozen=True)
class FrameCheck:
    """The files of one frame.

    Attributes:
        files: Folder of the clip -> the frame in it.
        findings: Where to note what is wrong.
    """

    files: Mapping[str, StoredFrame]
    findings: Findings

    @property
    def name(self) -> str:
        return self.files[CLOUD_FOLDER].name

    def run(self, asks_mesh: bool, is_normalised: bool) -> Cloud | None:
        """Check all files. Returns the cloud, if it can be read.

        Args:
            asks_mesh: Whether to ask the mesh for labels, too, which takes longest.
            is_normalised: Whether the cloud must span 1; it need not where frames of a clip share
                one normalisation.
        """
        cloud, mesh = self._cloud(), self._mesh()
        problem = None
        if cloud is not None and is_normalised:
            problem = plausibility.check_normalisation(cloud.points)
            self._note(problem)
        trusted = cloud if problem is None else None  # else all that follows would differ from it
        if trusted is not None and mesh is not None:
            self._note(plausibility.check_mesh(trusted, mesh))
        for folder in (POINTS_FOLDER, NEAR_POINTS_FOLDER):
            labels = self._labels(folder)
            if labels is not None and trusted is not None:
                self._check_labels(folder, trusted, labels, mesh if asks_mesh else None)
        if DEPTH_FOLDER in self.files:
            self._check_depth(trusted)
        if mesh is not None and asks_mesh:
            self._check_faces(mesh)
        for folder, frame in self.files.items():
            if folder.startswith(f"{IMAGE_FOLDER}/"):
                with self._noting():
                    check_image(frame.path)
        return cloud

    def _cloud(self) -> Cloud | None:
        cloud = None
        with self._noting():
            cloud = read_cloud(self.files[CLOUD_FOLDER])
            self._advise_compressed(self.files[CLOUD_FOLDER])
        if cloud is not None and cloud.normals is not None:
            self._note(plausibility.check_normals(cloud.normals))
        return cloud

    def _labels(self, folder: str) -> Labels | None:
        labels = None
        if folder in self.files:
            with self._noting():
                labels = read_labels(self.files[folder])
                self._advise_compressed(self.files[folder])
        return labels

    def _mesh(self) -> Mesh | None:
        mesh = None
        if MESH_FOLDER in self.files:
            with self._noting(), warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", Advice)
                mesh = read_mesh(self.files[MESH_FOLDER].path)
                for warning in told:
                    self.findings.advise(str(warning.message), self.name)
        return mesh

    def _check_depth(self, cloud: Cloud | None) -> None:
        with self._noting():
            seen = read_cloud(self.files[DEPTH_FOLDER])
            self._advise_compressed(self.files[DEPTH_FOLDER])
            if cloud is not None:
                self._note(plausibility.check_depth(cloud, seen))

    def _check_labels(self, folder: str, cloud: Cloud, labels: Labels, mesh: Mesh | None) -> None:
        is_uniform = folder == POINTS_FOLDER
        problem = plausibility.check_labels(cloud, labels, is_uniform)
        if problem is None and mesh is not None:
            problem = plausibility.check_labels_by_mesh(labels, face_outwards(mesh)[0])
        if problem is None and is_uniform:
            self._note(plausibility.check_sides(cloud, labels))
        self._note(None if problem is None else f"{folder}: {problem}")

    def _check_faces(self, mesh: Mesh) -> None:
        _, found = face_outwards(mesh)
        if found is not None:
            self.findings.advise(
                f"the mesh {found} by readers; name corners counter-clockwise seen from outside",
                self.name,
            )

    def _advise_compressed(self, frame: StoredFrame) -> None:
        if frame.is_compressed():
            self.findings.advise(
                f"{frame.folder} is compressed, which is slow; write it with numpy.savez",
                self.name,
            )

    def _note(self, problem: str | None) -> None:
        if problem is not None:
            self.findings.fault(problem, self.name)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What a reader refuses is a fault of the frame."""
        try:
            yield
        except UserError as error:
            self.findings.fault(str(error), self.name)
