"""Shape checks on every annotated function, and the small synthetic sequences tests share."""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
# Shapes in annotations are checked under test only; this must come before im2mesh is imported.
# The configuration is left out: pydantic checks it itself.
_hook = install_import_hook(
    [
        "im2mesh.data",
        "im2mesh.generation",
        "im2mesh.losses",
        "im2mesh.meshing",
        "im2mesh.metrics",
        "im2mesh.models",
        "im2mesh.objective",
        "im2mesh.reconstruction",
        "im2mesh.synthesis",
        "im2mesh.training",
        "im2mesh.evaluation",
    ],
    "beartype.beartype",
)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from tests.ball import write_ball_dataset  # noqa: E402


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
def double_precision():
    """Compute in float64 by default."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
