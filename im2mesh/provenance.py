"""Where a result comes from: what code, settings, data and libraries made it."""

import hashlib
import json
import platform
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
    "fast-simplification",
)  # fmt: skip
"""Those that numbers depend on."""
CODE = ("im2mesh", "train.py", "generate.py", "eval.py")
DIGITS = 16  # of a hash, in hexadecimal


@dataclass(frozen=True)
class Provenance:
    """What made a result; every result file carries it.

    Attributes:
        code: Git revision, with "+changes" where the code differs from it; without git, the
            version of the package.
        config: Hash of the resolved configuration, whatever its output_dir.
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


class Origin(ABC):
    """What made a result, in words, as a dictionary, and as a hash."""

    @property
    def id(self) -> str:
        """Short, to be carried by every line of a table; the words explain it."""
        return hash_text(json.dumps(self.as_dict()))

    @abstractmethod
    def as_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True)
class RunOrigin(Origin):
    """What made meshes or codes.

    Attributes:
        run: Hash of weights and settings: the same for all windows of a run.
        made_by: Code, config, data, seed and libraries.
    """

    run: str
    made_by: Provenance

    def as_dict(self) -> dict[str, Any]:
        return {"run": self.run, **self.made_by.as_dict()}

    def __str__(self) -> str:
        return f"Origin {self.id}. Run {self.run}: {self.made_by}."


@dataclass(frozen=True)
class ResultOrigin(Origin):
    """What made measured numbers.

    Attributes:
        evaluated_by: Code, settings, data and libraries of the evaluation.
        meshes_by: Of `RunOrigin`, for numbers of meshes: one entry for each version of code and
            libraries; none for meshes of another program.
        weights: Hash of the model's weights, for numbers that the model itself was asked for.
    """

    evaluated_by: Provenance
    meshes_by: Sequence[dict[str, Any]]
    weights: str | None = None

    def as_dict(self) -> dict[str, Any]:
        asked = {} if self.weights is None else {"weights": self.weights}
        evaluated_by = self.evaluated_by.as_dict()
        return {**asked, "evaluated_by": evaluated_by, "meshes_by": list(self.meshes_by)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ResultOrigin":
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: If the content is of something else.
        """
        meshes_by = [dict(note) for note in content["meshes_by"]]
        for note in meshes_by:
            _ = note["run"], note["code"], note["seed"]
        return cls(Provenance(**content["evaluated_by"]), meshes_by, content.get("weights"))

    def __str__(self) -> str:
        parts = [f"Origin {self.id}"]
        if self.weights is not None:
            parts.append(f"Weights: {self.weights}")
        if self.meshes_by:
            noted = (f"run {n['run']}, code {n['code']}, seed {n['seed']}" for n in self.meshes_by)
            parts.append(f"Meshes: {'; '.join(noted)}")
        elif self.weights is None:
            parts.append("Meshes: another program")
        return f"{'. '.join(parts)}. Evaluation: {self.evaluated_by}."


def list_origins(origins: Mapping[str, Origin | Provenance | None]) -> str:
    """A line for each of several runs, such as stand in one table; None is unknown."""
    lines = (f"- {name}: {origin or 'unknown'}\n" for name, origin in origins.items())
    return "".join(lines)


def provenance(config: Config, dataset: str, seed: int) -> Provenance:
    """The provenance of a result that is made now."""
    return Provenance(code_revision(), config_hash(config), dataset, seed, package_versions())


def software() -> str:
    """Code and libraries that run now, for what is measured without a configuration."""
    return f"code {code_revision()}; {_listed(package_versions())}"


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def config_hash(config: Config) -> str:
    """Identifies all settings but the place of the output."""
    settings = config.model_copy(update={"output_dir": ""}).model_dump_json()
    return hash_text(settings)


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
    return f"{revision}+changes" if changed else revision


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


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Identifies the sources of the package as they are on disk, committed or not."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "im2mesh").rglob("*.py")):
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
