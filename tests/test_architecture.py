"""Imports point down the pipeline, and each outside library has one place."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path("im2mesh")

LAYERS = (
    ("errors", "files", "ranks", "randomness"),
    (
        "config",
        "command_line",
        "meshing",
        "metrics",
        "compat",
        "checkpoints",
        "described_model",
        "losses",
        "memory",
    ),
    ("provenance", "origins"),
    ("rendering",),
    ("data",),
    ("models",),
    ("window_folder", "window_names"),
    ("predictions",),
    ("evaluation", "objective", "synthesis"),
    ("metric_info", "plots", "reporting"),
    ("run_folder", "visualization"),
    ("mesh_origin", "sharing"),
    ("evaluation_split",),
    ("comparison",),
    ("training", "generation", "robustness"),
    ("build",),
    ("reconstruction",),
)
"""A module imports from layers above its own line, or from its own line."""

ONLY_HERE = {
    "torchdiffeq": {"models/flow.py"},
    "mcubes": {"meshing/extraction.py"},
    "igl": {"meshing/containment.py"},
    "fast_simplification": {"meshing/simplification.py"},
    "pyvista": {"rendering.py"},
    "pydantic": {"config/schema.py", "config/validation.py"},
    "torch.utils.tensorboard": {"training/progress.py"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer_of(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def test_imports_point_down_the_pipeline():
    wrong = []
    for path in modules():
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for name in imports(path):
            target = name.split(".")
            if target[0] != "im2mesh" or len(target) == 1:
                continue
            if layer_of(target[1]) > layer_of(parts[0]):
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_outside_libraries_have_one_place():
    for library, places in ONLY_HERE.items():
        users = {
            path.relative_to(PACKAGE).as_posix()
            for path in modules()
            if any(f"{name}.".startswith(f"{library}.") for name in imports(path))
        }
        assert users == places, library


def test_networks_know_no_configuration_files_or_data():
    for path in (PACKAGE / "models").rglob("*.py"):
        used = {name.split(".")[1] for name in imports(path) if name.startswith("im2mesh.")}
        assert used <= {"models", "config", "errors", "files"}, path


def test_importing_the_package_is_cheap():
    code = "import im2mesh, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_file_outgrows_its_purpose():
    for path in modules():
        assert len(path.read_text().splitlines()) <= 300, path
