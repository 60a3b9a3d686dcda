"""Meshes and point clouds -> images, without a screen."""

import ctypes.util
import os
import sys
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.normals import vertex_normals

BACKGROUND = (250, 250, 248)
MARGIN = 1.05
"""Of images that show a body as it moves: half their side over its farthest reach."""

SHADED = {"ambient": 0.30, "diffuse": 0.80, "specular": 0.10}
SHADED_POINTS = {"ambient": 0.35, "diffuse": 0.65}
EVEN_LIGHT = {"ambient": 0.68, "diffuse": 0.36, "specular": 0.0}


@dataclass(frozen=True)
class Camera:
    """A parallel projection that looks at one place, so lengths compare between images.

    Attributes:
        center: Point in the middle of the image.
        half_height: Distance from the middle to the upper edge, in units of the scene.
        azimuth: Degrees the camera is turned around the vertical (Y): 0 sees a body that faces
            +Z from the front, 90 sees it from its left side.
        elevation: Degrees the camera is lifted.
    """

    center: Float[np.ndarray, "3"]
    half_height: float
    azimuth: float = 28.0
    elevation: float = 8.0

    @property
    def direction(self) -> Float[np.ndarray, "3"]:
        """Unit vector from the center to the camera."""
        return self.axes[2]

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Right, up and towards the viewer, as rows."""
        a, e = np.radians([self.azimuth, self.elevation])
        toward = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
        right = np.array([np.cos(a), 0.0, -np.sin(a)])
        return np.stack([right, np.cross(toward, right), toward])

    @property
    def projection(self) -> Float[np.ndarray, "3 4"]:
        """The matrix from the scene to a square image, whose edges are at -1 and 1.

        x points to the right and y down; the projection is parallel, so the last row is 0 0 0 1.
        """
        right, up, _ = self.axes / self.half_height
        rows = np.stack([right, -up])
        return np.vstack([np.column_stack([rows, -rows @ self.center]), [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Surroundings:
    """What an image shows beside its subject.

    Attributes:
        mesh: A mesh with colours, such as arrows; it and the subject hide each other.
        backdrop: An image behind everything, in place of the plain background.
    """

    mesh: Mesh | None = None
    backdrop: UInt8[np.ndarray, "height width 3"] | None = None


def look_at(
    points: Float[np.ndarray, "N 3"],
    azimuth: float = Camera.azimuth,
    elevation: float = Camera.elevation,
) -> tuple[Camera, Float[np.ndarray, "2"]]:
    """A camera that sees all points, and half the width and height of the points in its image."""
    camera = Camera(np.zeros(3), 1.0, azimuth, elevation)
    seen = points @ camera.axes.T
    low, high = seen.min(axis=0), seen.max(axis=0)
    half = (high - low)[:2] / 2
    return replace(camera, center=(low + high) / 2 @ camera.axes, half_height=float(half[1])), half


class Renderer:
    """Draws images of one size. Use one renderer for many images, since its start takes long.

    Args:
        width, height: Size of the images, in pixels.
        supersampling: How many times larger images are drawn before they are averaged down, which
            smooths all edges.

    Raises:
        UserError: If pyvista is not installed.
    """

    def __init__(self, width: int, height: int, supersampling: int = 3) -> None:
        self._pyvista = import_pyvista()
        self.width, self.height = width, height
        self.supersampling = supersampling
        self._plotter = self._pyvista.Plotter(
            off_screen=True,
            window_size=[width * supersampling, height * supersampling],
            lighting="none",
        )
        self._plotter.set_background([channel / 255 for channel in BACKGROUND])
        self._plotter.enable_parallel_projection()
        self._plotter.disable_anti_aliasing()  # supersampling smooths; this halves the time

    def close(self) -> None:
        self._plotter.close()

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def render_mesh(
        self,
        vertices: Float[np.ndarray, "V 3"],
        faces: Int[np.ndarray, "F 3"],
        colors: UInt8[np.ndarray, "V 3"],
        camera: Camera,
        even_light: bool = False,
        around: Surroundings | None = None,
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Draw a smoothly shaded mesh; one without faces is not seen.

        Args:
            even_light: Shade so little that colours can be read off a colour scale.
            around: What is seen beside the mesh.
        """
        if len(faces) == 0 and around is None:
            return self.empty_image()
        self._place("subject", Mesh(vertices, faces, colors), EVEN_LIGHT if even_light else SHADED)
        return self._shoot(camera, around)

    def render_points(
        self,
        points: Float[np.ndarray, "N 3"],
        colors: UInt8[np.ndarray, "N 3"],
        camera: Camera,
        diameter: float = 4.0,
        even_light: bool = False,
        around: Surroundings | None = None,
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Draw points as small balls of the given diameter in pixels; see `render_mesh`."""
        if len(points) == 0:
            return self.render_mesh(
                points, np.zeros((0, 3), np.int32), colors, camera, around=around
            )
        cloud = self._pyvista.PolyData(np.asarray(points, np.float32))
        cloud.point_data["colors"] = colors
        self._plotter.add_mesh(
            cloud, scalars="colors", rgb=True, name="subject", style="points", render=False,
            render_points_as_spheres=True, point_size=diameter * self.supersampling,
            **(EVEN_LIGHT if even_light else SHADED_POINTS),
        )  # fmt: skip
        return self._shoot(camera, around)

    def _place(self, name: str, mesh: Mesh | None, shading: dict[str, float]) -> None:
        """Put a mesh into the scene, in place of the one of that name."""
        if mesh is None or len(mesh.faces) == 0:
            self._plotter.remove_actor(name, render=False)
            return
        assert mesh.colors is not None
        placed = self._pyvista.PolyData.from_regular_faces(mesh.vertices, mesh.faces)
        placed.point_data["colors"] = mesh.colors
        placed.point_data["Normals"] = vertex_normals(mesh.vertices[None], mesh.faces)[0]
        placed.point_data.active_normals_name = "Normals"
        self._plotter.add_mesh(
            placed, scalars="colors", rgb=True, name=name, interpolation="Phong", render=False,
            specular_power=12, **shading,
        )  # fmt: skip

    def _shoot(
        self, camera: Camera, around: Surroundings | None
    ) -> UInt8[np.ndarray, "height width 3"]:
        around = Surroundings() if around is None else around
        self._place("surroundings", around.mesh, EVEN_LIGHT)
        view = self._plotter.camera
        view.focal_point = camera.center
        distance = 20.0 * camera.half_height
        view.position = camera.center + distance * camera.direction
        view.up = (0.0, 1.0, 0.0)
        view.parallel_scale = camera.half_height
        self._light(camera)
        # VTK may still use the range of the last subject, which would cut this one open
        view.clipping_range = (0.1 * distance, 2.0 * distance)
        self._plotter.render()  # without it, screenshot returns the previous image
        large = np.asarray(self._plotter.screenshot(return_img=True))[..., :3]
        image = self._averaged(large)
        if around.backdrop is None:
            return image
        covered = self._averaged((255 * (large != BACKGROUND).any(-1)).astype(np.uint8))
        seen_through = (255 - covered[..., None].astype(np.float32)) / 255
        behind = seen_through * (around.backdrop - np.array(BACKGROUND, np.float32))
        return np.clip(np.rint(image + behind), 0, 255).astype(np.uint8)

    def _averaged(self, large: UInt8[np.ndarray, "H W *C"]) -> UInt8[np.ndarray, "height width *C"]:
        image = Image.fromarray(large)
        return np.asarray(image.resize((self.width, self.height), Image.Resampling.BOX))

    def _light(self, camera: Camera) -> None:
        """A bright light from the upper left, a weak one from the right, one from behind."""
        self._plotter.remove_all_lights()
        for offset, intensity in (
            ((-0.9, 1.1, 1.2), 0.78),
            ((1.4, 0.2, 0.8), 0.25),
            ((0.3, 1.4, -1.2), 0.30),
        ):
            place = camera.center + 10.0 * np.array(offset) @ camera.axes
            light = self._pyvista.Light(position=place, focal_point=camera.center)
            light.intensity = intensity
            light.positional = False
            self._plotter.add_light(light)

    def empty_image(self) -> UInt8[np.ndarray, "height width 3"]:
        """The background alone."""
        return np.full((self.height, self.width, 3), BACKGROUND, np.uint8)


def import_pyvista() -> ModuleType:
    """Import pyvista, set up to draw without a screen where there is none.

    Raises:
        UserError: If it is not installed.
    """
    if sys.platform == "linux" and "DISPLAY" not in os.environ and ctypes.util.find_library("EGL"):
        # VTK would try X first and complain; without EGL, its own choice is the best there is
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    try:
        import pyvista
    except ImportError as error:
        raise UserError("pictures need pyvista, run: pip install -e .[viz]") from error
    return pyvista
