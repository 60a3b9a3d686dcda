"""How a data set lies on disk: the names of folders and files, and the windows in a clip."""

from dataclasses import dataclass

from im2mesh.errors import UserError

CLOUD_FOLDER = "pcl_seq"  # surface points; its files say which frames a clip has
POINTS_FOLDER = "points_seq"  # points with their occupancy
NEAR_POINTS_FOLDER = "points_near_seq"  # points near the surface, with their occupancy
DEPTH_FOLDER = "depth_seq"  # points that depth cameras saw
MESH_FOLDER = "mesh_seq"  # true meshes
IMAGE_FOLDER = "img"  # holds one folder per view
CAMERA_FILE = "cameras.npz"  # in the folder of a view
EXTRINSIC, INTRINSIC = "world_mat", "camera_mat"
"""Names of a camera's matrices, as in the renderings of Occupancy Networks: from the world to the
camera [3, 4], and from there to the image [3, 3]."""
IMAGE_ENDINGS = ("jpg", "jpeg", "png")
PACKABLE = (CLOUD_FOLDER, POINTS_FOLDER, NEAR_POINTS_FOLDER, DEPTH_FOLDER)
"""Folders in whose place a packed file may stand, which holds all of their frames."""
PACKED_ENDING = ".npz"
"""Of packed files, behind the name of the folder."""
CLIP_NOTE = "complete.json"  # of make_bodies.py: the settings that a clip was made with
MAX_NAME = 200  # bytes; file systems allow 255, endings included
LAYOUT_HINT = "; docs/data.md says what a clip holds"
HINTS = {
    POINTS_FOLDER: "; set loss.reconstruction=0 to train without labels, or write them as "
    "docs/data.md says",
    NEAR_POINTS_FOLDER: "; set data.near_surface_fraction to 0, or make the data with "
    "--near-surface-points",
    DEPTH_FOLDER: "; set data.input_folder: pcl_seq, or make the data with --depth-views",
}
"""Folder that a clip may lack -> the way out where it is asked for."""


class DataError(UserError):
    """The data on disk cannot be used as asked. The message names the clip and the file."""


@dataclass(frozen=True, order=True)
class Window:
    """`num_frames` evenly spaced frames of one clip.

    Category and clip are names of folders, both where data is read and where results are written;
    a name that leads elsewhere is refused.

    Attributes:
        start: Index of the first frame among the clip's sorted files (not the number in its name).
        frame_step: Distance between two frames of the window, in frames of the clip.
    """

    category: str
    clip: str
    start: int
    num_frames: int
    frame_step: int = 1

    def __post_init__(self) -> None:
        check_name(self.category, "category")
        check_name(self.clip, "clip")

    @property
    def name(self) -> str:
        """Name that is unique within the clip, also the name of the window's folder of results."""
        return _window_name(self.start, self.frame_step)

    @property
    def id(self) -> str:
        """Name that is unique within a data set."""
        return window_id(self.category, self.clip, self.start, self.frame_step)

    @property
    def place(self) -> str:
        """Name of the place where the window starts, whatever its length and step."""
        return window_id(self.category, self.clip, self.start, 1)

    def __str__(self) -> str:
        return f"{self.clip}/{self.name}"

    def index(self, frame: int) -> int:
        """Index of a frame of the window among the clip's sorted files."""
        return self.start + frame * self.frame_step


def window_id(category: str, clip: str, start: int, frame_step: int) -> str:
    """The name of a window, unique within a data set.

    Example:
        >>> window_id("50002", "chicken_wings", 15, 1)
        '50002/chicken_wings/00015'
        >>> window_id("50002", "chicken_wings", 15, 2)
        '50002/chicken_wings/00015_step2'
    """
    return f"{category}/{clip}/{_window_name(start, frame_step)}"


def _window_name(start: int, frame_step: int) -> str:
    return f"{start:05d}" if frame_step == 1 else f"{start:05d}_step{frame_step}"


def check_name(name: str, what: str) -> None:
    """Refuse what is not the name of one folder or file, such as ../x.

    Raises:
        DataError: If the name is empty, leads elsewhere, cannot be printed, or is too long.
    """
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set("/\\"):
        raise DataError(f"{what} {name[:MAX_NAME]!r} is not the name of a folder or file")
    if len(name.encode()) > MAX_NAME:
        raise DataError(f"{what} {name[:40]!r}... is longer than {MAX_NAME} bytes")
