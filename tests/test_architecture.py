"""Imports point down the pipeline, in short chains, and each outside library has one place."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path("im2mesh")

LAYERS = (
    ("errors", "randomness", "files", "pretrained"),
    ("config", "command_line", "meshing"),
    ("data",),
    ("machine", "models", "synthesis"),
    ("losses", "runs"),
    ("compat", "evaluation"),
    ("training", "visualization"),
    ("generation", "preparation", "studies"),
    ("build", "reconstruction"),
)
"""A module imports from rows above its own, or from its own row."""
LONGEST_CHAIN = 11
"""Of modules, each of which imports the next; the last four are the layers of glTF."""
MOST_ENTRIES, MOST_FILES = 22, 5
"""At the root of the package, beside __init__.py."""

ONLY_HERE = {
    "torchdiffeq": {"models/flow/flow.py"},
    "mcubes": {"meshing/marching_cubes.py"},
    "igl": {"meshing/containment.py", "meshing/marching_cubes.py", "meshing/orientation.py"},
    "fast_simplification": {"meshing/simplification.py"},
    "pyvista": {"meshing/rendering.py"},
    "fsspec": {"files/remote.py"},
    "aiohttp": {"files/remote.py"},
    "h5py": {"preparation/sources/dfaust.py"},
    "pydantic": {
        "config/effects.py",
        "config/generation.py",
        "config/schema.py",
        "config/sections.py",
        "config/validation.py",
        "config/values.py",
    },
    "safetensors": {"files/tensor_files.py"},
    "torch.utils.tensorboard": {"training/trackers/tensorboard.py"},
    "wandb": {"training/trackers/weights_and_biases.py"},
    "pxr": {"meshing/formats/usd/library.py"},
}


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file."""
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def own_imports(module: str) -> tuple[str, ...]:
    """The modules of the package that a module imports, or imports names from."""
    known = modules()
    found = {name if name in known else name.rpartition(".")[0] for name in imports(known[module])}
    return tuple(sorted((found & known.keys()) - {module}))


def layer_of(module: str) -> int:
    name = module.split(".")[1]
    return next(i for i, names in enumerate(LAYERS) if name in names)


def longest_chain() -> tuple[str, ...]:
    """Of modules, each of which imports the next; imports that go in a circle are an error."""
    chains: dict[str, tuple[str, ...]] = {}
    order = TopologicalSorter({module: own_imports(module) for module in modules()})
    for module in order.static_order():
        below = [chains[name] for name in own_imports(module)]
        chains[module] = (module, *max(below, key=len, default=()))
    return max(chains.values(), key=len)


def test_imports_point_down_the_pipeline():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in own_imports(module)
        if "." in module and "." in name and layer_of(name) > layer_of(module)
    ]
    assert wrong == []
    assert len(LAYERS) <= 9


def test_chains_of_imports_are_short_and_no_circles():
    chain = longest_chain()
    assert len(chain) <= LONGEST_CHAIN, " -> ".join(chain)


def test_folders_do_not_import_each_other():
    """Of two folders of one row of the table, at most one imports from the other."""
    pairs = {
        (module.split(".")[1], name.split(".")[1])
        for module in modules()
        for name in own_imports(module)
        if "." in module and "." in name
    }
    assert not {(a, b) for a, b in pairs if a < b and (b, a) in pairs}


def test_the_root_of_the_package_can_be_held_in_the_head():
    entries = [path for path in PACKAGE.iterdir() if path.name[0] not in "_."]
    assert len(entries) <= MOST_ENTRIES
    assert len([path for path in entries if path.is_file()]) <= MOST_FILES


def test_outside_libraries_have_one_place():
    for library, places in ONLY_HERE.items():
        users = {
            path.relative_to(PACKAGE).as_posix()
            for path in modules().values()
            if any(f"{name}.".startswith(f"{library}.") for name in imports(path))
        }
        assert users == places, library


def test_networks_know_no_configuration_files_or_data():
    for module, path in modules().items():
        if module.startswith("im2mesh.models"):
            used = {name.split(".")[1] for name in imports(path) if name.startswith("im2mesh.")}
            assert used <= {"models", "config", "errors", "files"}, path


def test_the_papers_networks_do_not_need_ours():
    """`models/local` stands apart: only the table of networks names it."""
    for module in modules():
        if module.startswith("im2mesh.models") and ".local" not in module:
            users = [
                name for name in own_imports(module) if name.startswith("im2mesh.models.local")
            ]
            assert not users or module.startswith("im2mesh.models.wiring"), (module, users)


def test_importing_the_package_is_cheap():
    code = "import im2mesh, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_file_outgrows_its_purpose():
    for path in modules().values():
        assert len(path.read_text().splitlines()) <= 300, path
