"""Shape checks on every annotated function, and the small synthetic sequences tests share.

At the root, not in tests/, because the doctests inside the package need it too.
"""

import os
from pathlib import Path

from jaxtyping import install_import_hook

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
# Shapes in annotations are checked under test only; this must come before im2mesh is imported.
# Left out: the configuration, which pydantic checks, and reconstruction, which checks its users.
_hook = install_import_hook(
    [
        "im2mesh.data",
        "im2mesh.evaluation",
        "im2mesh.generation",
        "im2mesh.losses",
        "im2mesh.machine",
        "im2mesh.meshing",
        "im2mesh.models",
        "im2mesh.synthesis",
        "im2mesh.training",
    ],
    "beartype.beartype",
)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from im2mesh.build import build_config, build_trainer  # noqa: E402
from tests.ball import ball_motion, unit_vectors, write_ball_dataset  # noqa: E402
from tests.shapes import unchecked_shapes  # noqa: E402
from tests.small import write_small_config  # noqa: E402
from tests.trainings import Trainings  # noqa: E402


@pytest.fixture(autouse=True)
def _reproducible() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def ball_root(tmp_path_factory: pytest.TempPathFactory):
    """Data of a ball that drifts, turns and grows; read-only, shared by all tests."""
    root = tmp_path_factory.mktemp("ball")
    write_ball_dataset(root)
    return root


@pytest.fixture
def config_path(tmp_path: Path, ball_root: Path) -> Path:
    """A config that trains in seconds, with an output folder beside it."""
    return write_small_config(tmp_path, ball_root)


@pytest.fixture(scope="session")
def trainings() -> Trainings:
    return Trainings()


@pytest.fixture
def without_shape_checks():
    """Let wrong shapes through to the code, as for users: its own messages are under test."""
    with unchecked_shapes():
        yield


@pytest.fixture
def double_precision():
    """Compute in float64 by default."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def clouds() -> np.ndarray:
    """Five clouds of a moving ball in world coordinates, metres; shape [5, 40, 3]."""
    motion, directions = ball_motion("ball_d"), unit_vectors(40, np.random.default_rng(0))
    return np.stack([motion.to_world(directions, frame) for frame in range(5)])


@pytest.fixture(autouse=True)
def _names_in_doctests(request: pytest.FixtureRequest) -> None:
    """`checkpoint`, `clouds` and `folder` for examples that reconstruct something."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    if "Reconstructor" not in request.node.name:
        return
    folder = request.getfixturevalue("tmp_path")
    root = request.getfixturevalue("ball_root")
    trainer = build_trainer(build_config(write_small_config(folder, root)), torch.device("cpu"))
    trainer.save(folder / "model.pt")
    names: dict[str, object] = request.getfixturevalue("doctest_namespace")
    names["checkpoint"] = Path(folder / "model.pt")
    names["clouds"] = request.getfixturevalue("clouds")
    names["folder"] = Path(folder)


@pytest.fixture
def tf32():
    """Matrix products in tf32, where the device has it, as training.precision tf32 sets it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)
