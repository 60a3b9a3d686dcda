"""Every example of docs/extending.md, put into a copy of the package and to use.

The copy is imported by one process of its own, which runs the functions `check_...` of this file.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import eval as evaluation
import generate
import train
from im2mesh.build import build_config, build_model
from im2mesh.config.schema import OdeConfig
from im2mesh.data.batch import collate
from im2mesh.data.dataset import build_training_data, build_windows
from im2mesh.data.frames import StoredWindow, SurfacePoints
from im2mesh.evaluation.measured_frame import MeasuredFrame
from im2mesh.evaluation.metrics import EMPTY_DISTANCE
from im2mesh.evaluation.records import read_table
from im2mesh.losses import terms
from im2mesh.losses.objective import compute_loss_parts
from im2mesh.meshing.io import numbered_meshes, read_mesh, write_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.models.code import Code, CodePerFrame, empty_code
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.randomness import step_randomness
from im2mesh.runs.folder import RunFolder
from tests.problems import Constant
from tests.small import write_small_config

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "extending.md"
SHIPPED = ROOT / "configs" / "pointcloud" / "oflow-small.yaml"
ENTRY_POINTS = ("train.py", "generate.py", "eval.py")
PAGE_PARTS = [
    path.relative_to(ROOT)
    for ending in ("css", "js")
    for path in (ROOT / "im2mesh").rglob(f"*.{ending}")
]
MOST_FILES = 2
"""Of the package, that an example may touch."""
NAMES = "model: {decoder: {name: cbatchnorm}, velocity_field: {name: concat}}\n"
"""Of networks that the small config does not name; with another name, its options are dropped."""
TWO_STEPS = (
    "training.max_iterations=2", "training.batch_size=2", "training.print_every=1",
    "data.eval_stride=100",
)  # fmt: skip
RUN_CHECKS = """
import sys
from pathlib import Path
from jaxtyping import install_import_hook

install_import_hook(sys.argv[2:], "beartype.beartype")  # what an example says of shapes is true
from tests.test_extending import run_checks

run_checks(Path(sys.argv[1]))
"""

Tree = dict[str, str]
"""Path of a file, from the root of the repository -> its text."""


# The document


@dataclass(frozen=True)
class Block:
    """A new file, or edits of one that is there."""

    path: str
    language: str
    text: str

    def apply(self, tree: Tree) -> None:
        """Change a tree as the block says.

        Raises:
            ValueError: If the file is there already, or the place of an edit is not to be found.
        """
        if self.language == "diff":
            for hunk in self.text.split("@@\n"):
                tree[self.path] = _edited(tree[self.path], hunk.splitlines(), self.path)
        elif self.path in tree:
            raise ValueError(f"{self.path} is there already")
        else:
            tree[self.path] = self.text


@dataclass(frozen=True)
class Section:
    """An example: its blocks, and the config that uses it."""

    blocks: tuple[Block, ...]
    config: str

    @property
    def files(self) -> set[str]:
        return {block.path for block in self.blocks}

    def apply(self, tree: Tree) -> None:
        for block in self.blocks:
            block.apply(tree)


def _edited(text: str, hunk: list[str], path: str) -> str:
    """The text with the old lines of a hunk, which must be there once, replaced by the new ones."""
    lines = text.splitlines()
    old = [line[1:] for line in hunk if not line.startswith("+")]
    new = [line[1:] for line in hunk if not line.startswith("-")]
    places = [i for i in range(len(lines)) if lines[i : i + len(old)] == old]
    if len(places) != 1:
        shown = "\n".join(old)
        raise ValueError(f"{path} has these lines {len(places)} times, expected once:\n{shown}")
    start = places[0]
    return "\n".join([*lines[:start], *new, *lines[start + len(old) :], ""])


def _read_sections() -> dict[str, Section]:
    """Kind of part -> its section."""
    sections = {}
    _, *parts = re.split(r"^## ([\w ]+): `\w+`$", DOCUMENT.read_text(), flags=re.MULTILINE)
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        blocks = re.findall(
            r"^(?:New file|Edit) `(\S+)`:\n\n```(?:(python) \1|(diff))\n(.*?)^```$",
            text,
            re.MULTILINE | re.DOTALL,
        )
        config = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        sections[kind.lower()] = Section(
            tuple(Block(path, python or diff, content) for path, python, diff, content in blocks),
            "\n".join(config),
        )
    return sections


SECTIONS = _read_sections()


def _package() -> Tree:
    """The package as it is."""
    paths = (ROOT / "im2mesh").rglob("*.py")
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


def test_there_is_an_example_of_every_kind():
    assert list(SECTIONS) == [
        "encoder", "decoder", "velocity field", "deformation", "loss", "metric", "mesh format",
        "method", "tracker",
    ]  # fmt: skip


def test_every_block_is_read():
    languages = [block.language for section in SECTIONS.values() for block in section.blocks]
    text = DOCUMENT.read_text()
    for language in ("python", "diff"):
        assert languages.count(language) == len(re.findall(f"^```{language}\\b", text, re.M))


@pytest.mark.parametrize("kind", SECTIONS)
def test_an_example_touches_few_files(kind):
    files = SECTIONS[kind].files
    assert 1 <= len(files) <= (3 if kind == "mesh format" else MOST_FILES)
    assert all(path.startswith("im2mesh/") for path in files)


@pytest.mark.parametrize("kind", SECTIONS)
def test_an_example_needs_no_other(kind):
    tree, before = _package(), _package()
    SECTIONS[kind].apply(tree)
    assert {path for path in tree if tree[path] != before.get(path)} == SECTIONS[kind].files


def test_files_that_are_named_are_there():
    links = re.findall(r"\]\(([^)#]+)", DOCUMENT.read_text())
    assert links and all((DOCUMENT.parent / link).exists() for link in links)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Block("a.py", "python", "z\n"), "a.py is there already"),
        (Block("a.py", "diff", " x\n+z\n"), "a.py has these lines 2 times, expected once"),
        (Block("a.py", "diff", " y\n y\n+z\n"), "a.py has these lines 0 times, expected once"),
        (Block("a.py", "diff", " y\n+z\n@@\n-w\n"), "a.py has these lines 0 times, expected once"),
    ],
)
def test_a_block_that_does_not_fit_is_named(block, message):
    with pytest.raises(ValueError, match=message):
        block.apply({"a.py": "x\ny\nx\n"})


def test_a_block_is_applied():
    tree = {"a.py": "x\n\ny\nw\n"}
    Block("a.py", "diff", " x\n\n+z\n@@\n-w\n+v\n").apply(tree)
    Block("b.py", "python", "new\n").apply(tree)
    assert tree == {"a.py": "x\n\nz\ny\nv\n", "b.py": "new\n"}


# The process that imports the copy


@pytest.fixture(scope="module")
def failures(tmp_path_factory, ball_root) -> dict[str, str]:
    """Check -> what went wrong; the checks ran in one process, with all examples in place."""
    folder = tmp_path_factory.mktemp("extending")
    _write_package(folder)
    write_small_config(folder, ball_root)
    (folder / "names.yaml").write_text(NAMES)
    for kind, section in SECTIONS.items():
        (folder / f"{kind}.yaml").write_text(section.config)
    files = sorted({path for section in SECTIONS.values() for path in section.files})
    checked = [path for path in files if not path.startswith("im2mesh/config/")]
    modules = [path.removesuffix(".py").replace("/", ".") for path in checked]
    done = subprocess.run(
        [sys.executable, "-c", RUN_CHECKS, str(folder), *modules],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "failures.json").read_text())


def _write_package(folder: Path) -> None:
    """A copy of the package and the entry points, with all examples applied."""
    tree = _package()
    for section in SECTIONS.values():
        section.apply(tree)
    for path, text in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in (*PAGE_PARTS, *ENTRY_POINTS):
        shutil.copy(ROOT / path, folder / path)


def run_checks(folder: Path) -> None:
    """Run all checks and note those that fail."""
    assert Path(train.__file__).parent == folder and folder in Path(terms.__file__).parents
    torch.set_num_threads(1)
    failures = {}
    for name, check in CHECKS.items():
        torch.manual_seed(0)
        try:
            check(folder)
        except Exception:
            failures[name] = traceback.format_exc()
    (folder / "failures.json").write_text(json.dumps(failures))


def write_config(folder: Path, name: str, *kinds: str) -> str:
    """The small config with those of some examples; returns its path."""
    path, files = folder / f"{name}.yaml", [f"{kind}.yaml" for kind in ("names", "small", *kinds)]
    path.write_text(f"inherit_from: {files}\noutput_dir: {folder / name}\n")
    return str(path)


def check_encoder(folder: Path) -> None:
    """The order of the points does not matter, and the code is a mean over points."""
    from im2mesh.models.encoders.pointnet_mean import PointnetMean

    encoder = PointnetMean(5, 6, hidden_size=8)
    clouds, times = torch.randn(2, 5, 30, 3), torch.linspace(0, 1, 5).expand(2, -1)
    code = encoder(clouds, times)
    assert code.shape == (2, 6)
    shuffled = torch.stack([frame[:, torch.randperm(30)] for frame in clouds.unbind(1)], 1)
    torch.testing.assert_close(encoder(shuffled, times), code)
    halves = [encoder(half, times) for half in clouds.chunk(2, dim=2)]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, code)
    assert encoder(clouds[:, :1], times[:, :1]).shape == (2, 6)
    assert not torch.allclose(encoder(clouds, times**2), code)


def check_decoder(folder: Path) -> None:
    """The features are those of the formula; the logits depend on the code."""
    from im2mesh.models.decoder_fourier import DecoderFourier

    seen: list[Tensor] = []
    decoder = DecoderFourier(4, 6, 0, num_frequencies=3, hidden_size=8)
    decoder.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    points, code = torch.rand(2, 7, 4) - 0.5, Code(torch.randn(2, 6), torch.zeros(2, 0))
    logits = decoder(points, code)
    p = points[1, 2].tolist()
    angles = [2**k * math.pi * x for x in p for k in range(3)]
    expected = [*p, *map(math.sin, angles), *map(math.cos, angles)]
    torch.testing.assert_close(seen[0][1, 2], torch.tensor(expected))
    assert logits.shape == (2, 7)
    assert not torch.allclose(decoder(points, Code(code.c + 1, code.z)), logits)


def check_velocity_field(folder: Path) -> None:
    """With constant A and b, the path is that of the matrix exponential."""
    from im2mesh.models.flow.affine_field import VelocityFieldAffine

    field = VelocityFieldAffine(0, 0, hidden_size=8)
    matrix, offset = torch.randn(3, 3), torch.randn(3)
    torch.nn.init.zeros_(field.fc_out.weight)
    field.fc_out.bias.data = torch.cat([matrix.mT.flatten(), offset])
    flow = Flow(field, OdeConfig(rtol=1e-6, atol=1e-7))
    points, times = torch.rand(2, 5, 3) - 0.5, torch.tensor([0.0, 0.3, 1.0])
    path = flow.integrate_forward(points, times, empty_code(2))
    rest = torch.linalg.solve(matrix, offset)  # A^-1 b
    for k, t in enumerate(times):
        expected = (points + rest) @ torch.linalg.matrix_exp(t * matrix).mT - rest
        torch.testing.assert_close(path[:, k], expected, atol=1e-4, rtol=1e-4)
    conditioned = VelocityFieldAffine(6, 4)
    code = Code(torch.randn(2, 6), torch.randn(2, 4))
    path = Flow(conditioned).integrate_forward(points, times, code)
    path.square().sum().backward()  # by the adjoint
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in conditioned.parameters())


def check_deformation(folder: Path) -> None:
    """Distances are kept, moves compose, and the way back undoes the way there."""
    from im2mesh.models.deformations.rigid import Rigid

    rigid = Rigid(6, 0, hidden_size=8)
    times = torch.linspace(0, 1, 5).expand(2, -1)
    code = CodePerFrame(torch.randn(2, 6), torch.zeros(2, 0), torch.randn(2, 5, 6), times)
    points, t = torch.rand(2, 7, 3) - 0.5, torch.tensor([0.4, 1.0])
    moved = rigid.move(points, torch.zeros(2), t, code)
    assert (moved - points).abs().max() > 0.01
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(points, points))
    halfway = rigid.move(points, torch.zeros(2), t / 2, code)
    torch.testing.assert_close(rigid.move(halfway, t / 2, t, code), moved)
    torch.testing.assert_close(rigid.integrate_backward(moved, t, code)[:, -1], points)


def check_loss(folder: Path) -> None:
    """A point at constant speed has the square of that speed, whatever the times."""
    times, velocity = torch.tensor([0.0, 0.1, 0.7, 1.0]), torch.tensor([0.3, -0.2, 0.1])
    straight = (times.view(1, -1, 1, 1) * velocity).expand(2, -1, 5, -1)
    torch.testing.assert_close(terms.kinetic_energy_loss(straight, times), torch.tensor(0.14))
    stopping = torch.tensor([0.0, 1.0, 1.0]).view(1, -1, 1, 1).expand(1, -1, 1, 3)
    half = torch.tensor([0.0, 0.5, 1.0])  # a squared speed of 12 for half of the time
    torch.testing.assert_close(terms.kinetic_energy_loss(stopping, half), torch.tensor(6.0))
    config = build_config(write_config(folder, "loss_alone", "loss"))
    weights = config.loss.model_copy(update={"reconstruction": 0.0, "correspondence": 0.0})
    model = OccupancyFlow(None, None, None, Flow(Constant((0.3, -0.2, 0.1))))
    batch = collate([build_training_data(config)[0]])
    parts = compute_loss_parts(model, batch, weights, step_randomness(0, 0, 0, 1))
    assert set(parts) == {"kinetic_energy"}
    assert parts["kinetic_energy"].item() == pytest.approx(weights.kinetic_energy * 0.14)


def check_metric(folder: Path) -> None:
    """By hand: vertices at distances 0, 1/2 and 2 from the truth."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2]], np.int32))
    surface = SurfacePoints(np.array([[0, 0, 0], [1, 0, 0.5]], np.float32), None)
    rng = np.random.default_rng(0)
    assert MeasuredFrame(mesh, surface, None, 10, rng).max_distance == pytest.approx(2)
    nothing = Mesh(vertices[:0], mesh.faces[:0])
    assert MeasuredFrame(nothing, surface, None, 10, rng).max_distance == EMPTY_DISTANCE


def check_mesh_format(folder: Path) -> None:
    """What is written comes back exactly, VTK reads it, and a cut file is refused."""
    import pyvista

    rng, path = np.random.default_rng(0), folder / "a.vtk"
    vertices = rng.normal(size=(9, 3)).astype(np.float32)
    faces = rng.integers(0, 9, (12, 3)).astype(np.int32)
    colors = rng.integers(0, 256, (9, 3)).astype(np.uint8)
    for mesh in (
        Mesh(vertices, faces, colors),
        Mesh(vertices, faces),
        Mesh(vertices, faces[:0], colors),
        Mesh(vertices[:0], faces[:0]),
    ):
        write_mesh(path, mesh.vertices, mesh.faces, mesh.colors)
        back, theirs = read_mesh(path), pyvista.read(path)
        np.testing.assert_array_equal(back.vertices, mesh.vertices)
        np.testing.assert_array_equal(back.faces, mesh.faces)
        np.testing.assert_array_equal(theirs.points, mesh.vertices)
        np.testing.assert_array_equal(theirs.faces.reshape(-1, 4)[:, 1:], mesh.faces)
        if mesh.colors is None:
            assert back.colors is None
        else:
            np.testing.assert_array_equal(back.colors, mesh.colors)
            np.testing.assert_array_equal(theirs.point_data["rgb"], mesh.colors)
    write_mesh(path, vertices, faces)
    whole = path.read_text()
    for cut in (whole[:-20], whole[: whole.index("POLYGONS")], whole[:100], ""):
        path.write_text(cut)
        with pytest.raises(ValueError, match=r"a\.vtk: not a readable mesh"):
            read_mesh(path)


def check_method(folder: Path) -> None:
    """The hull of a cube that drifts, inside and outside of it and halfway in time."""
    from im2mesh.models.convex_hull import ConvexHull

    model, corner = ConvexHull(), torch.tensor([-0.25, 0.25])
    cube, drift = torch.cartesian_prod(corner, corner, corner), torch.tensor([0.4, 0.0, 0.0])
    clouds = torch.stack([cube, (cube + drift).flip(0)]).unsqueeze(0)  # rows do not correspond
    codes = model.encode(clouds, torch.tensor([[0.0, 1.0]]))
    points = torch.tensor([[[0.0, 0.2, 0.0], [0.0, 0.3, 0.0], [0.4, 0.0, 0.2], [-0.3, 0.0, 0.0]]])
    for t, expected in ((0.0, [1, 0, 0, 0]), (0.5, [1, 0, 1, 0]), (1.0, [0, 0, 1, 0])):
        logits = model.occupancy_logits(points, torch.tensor([t]), codes)
        assert (logits > 0).int().tolist() == [expected], t


def check_configs(folder: Path) -> None:
    """The YAML of every example is all that a config of the paper's method must add."""
    path = folder / "added.yaml"
    for kind, section in SECTIONS.items():
        path.write_text(f"inherit_from: {SHIPPED}\n{section.config}")
        assert build_model(build_config(path)).answers, kind


def check_training(folder: Path) -> None:
    """Two steps with the new networks, loss and mesh format, then meshes of a window."""
    kinds = ("encoder", "decoder", "velocity field", "loss", "mesh format", "tracker")
    arguments = [write_config(folder, "trained", *kinds), *TWO_STEPS, "--device", "cpu"]
    train.main(arguments)
    config = build_config(arguments[0], TWO_STEPS)
    (log,) = RunFolder.of(config).logs.glob("*tfevents*")
    assert b"loss/kinetic_energy" in log.read_bytes()
    rows = (RunFolder.of(config).logs / "curves.csv").read_text().splitlines()
    assert [row for row in rows if row.startswith("2,loss/kinetic_energy,")]
    generate.main([*arguments, "--checkpoint", str(RunFolder.of(config).checkpoint)])
    (window,) = build_windows(config, "test", stride=100)
    meshes = numbered_meshes(RunFolder.of(config).window("test", window).meshes)
    assert [path.name for path in meshes] == [f"{k:05d}.vtk" for k in range(5)]
    deforming = write_config(folder, "deforming", "deformation")
    train.main([deforming, *TWO_STEPS, "--device", "cpu"])


def check_measuring(folder: Path) -> None:
    """A window of the new method, measured by eval.py, the new metric once more by brute force."""
    path = write_config(folder, "measured", "method", "mesh format")
    arguments = [path, *TWO_STEPS, "loss.correspondence=0.0"]
    generate.main([*arguments, "--device", "cpu"])
    evaluation.main(arguments)
    config = build_config(path, arguments[1:])
    run, (window,) = RunFolder.of(config), build_windows(config, "test", stride=100)
    records, _ = read_table(run.evaluation_records("test"))
    ious = [record.value for record in records if record.metric == "iou"]
    assert len(ious) == 5 and min(ious) > 0.6  # of a ball, the hull of 40 points on it
    largest = [record.value for record in records if record.metric == "max_distance"]
    expected = []
    for k, file in enumerate(numbered_meshes(run.window("test", window).meshes)):
        truth = StoredWindow(config.data.root, window).surface_points(k).points
        offsets = read_mesh(file).vertices[:, None] - truth
        expected.append(np.linalg.norm(offsets, axis=-1).min(1).max())
    np.testing.assert_allclose(largest, expected, rtol=1e-5)


CHECKS = {
    "encoder": check_encoder,
    "decoder": check_decoder,
    "velocity field": check_velocity_field,
    "deformation": check_deformation,
    "loss": check_loss,
    "metric": check_metric,
    "mesh format": check_mesh_format,
    "method": check_method,
    "configs": check_configs,
    "training": check_training,
    "measuring": check_measuring,
}


@pytest.mark.parametrize("name", CHECKS)
def test_examples_work(failures, name):
    assert name not in failures, failures[name]
