"""Where a result comes from: what code, settings, data and libraries made it."""

import hashlib
import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import im2mesh
from im2mesh.config import Config

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "torch", "torchdiffeq", "numpy", "scipy", "trimesh", "PyMCubes", "libigl",
    "fast-simplification", "Pillow",
)  # fmt: skip
"""Those that numbers depend on."""
PACKAGE = "im2mesh"
CODE = (PACKAGE, "train.py", "generate.py", "eval.py", "scripts", "benchmarks")
"""All that makes results."""
WITHOUT_EFFECT = {
    "output_dir": True,
    "data": {"root"},
    "training": {"num_workers", "print_every", "save_every"},
    "generation": {"batch_points", "mesh_format", "write_inputs"},
}
"""Settings that change no number: where things lie, and what is written or done at a time."""
DIGITS = 16  # of a hash, in hexadecimal


@dataclass(frozen=True)
class Provenance:
    """What made a result; every result file carries it.

    Attributes:
        code: Git revision, with "+changes" and a hash of the code where it differs from it;
            without git, the version of the package.
        config: Hash of the resolved configuration but for settings without effect.
        dataset: Fingerprint of the clips that were read (see `data.fingerprint`).
        seed: The one in use at this stage.
        packages: Name -> version, with Python's.
    """

    code: str
    config: str
    dataset: str
    seed: int
    packages: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"code {self.code}, config {self.config}, data {self.dataset}, seed {self.seed}; "
            f"{_listed(self.packages)}"
        )


def provenance(config: Config, dataset: str, seed: int) -> Provenance:
    """The provenance of a result that is made now."""
    return Provenance(code_revision(), config_hash(config), dataset, seed, package_versions())


def software() -> str:
    """Code and libraries that run now, for what is measured without a configuration."""
    return f"code {code_revision()}; {_listed(package_versions())}"


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def config_hash(config: Config) -> str:
    """Identifies all settings that have an effect."""
    return hash_text(config.model_dump_json(exclude=WITHOUT_EFFECT))


def hash_text(*texts: str) -> str:
    """A short hash of texts; no two lists of texts run together."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}".encode())
    return digest.hexdigest()[:DIGITS]


@lru_cache(maxsize=1)
def code_revision() -> str:
    """The git revision of the code that runs, or its version where there is no git."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return f"version {im2mesh.__version__}"
    changed = _git("status", "--porcelain", "--", *CODE)
    return f"{revision}+changes {code_hash(*CODE)}" if changed else revision


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Installed versions; "missing" for a package that is not there."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return versions


@lru_cache
def code_hash(*names: str) -> str:
    """Identifies sources, of files and folders, as they are on disk, committed or not."""
    digest = hashlib.sha256()
    for name in names:
        top = ROOT / name
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            digest.update(path.relative_to(ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]


def _git(*arguments: str) -> str | None:
    """What git says about the folder of the code; None where it is no clone, or git is missing."""
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
