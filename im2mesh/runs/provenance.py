"""What made a result: the words for it, and the provenance of one stage.

| Word | Meaning |
| --- | --- |
| provenance | code, settings, data, seed and libraries of one stage, such as a training |
| fingerprint | hash of the clips that a stage reads (see `data.fingerprint`) |
| run hash | hash of the weights and of all settings that decide meshes; names a run |
| origin | all that made a result: the provenance of its stage, and notes of earlier stages |
| note | dictionary of a provenance or an origin in a file; that of a training adds `since` |
| made_by | what made meshes, codes or bodies: in code a provenance, in files a note of an origin |
"""

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import im2mesh
from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.schema import (
    Config,
    DataConfig,
    GenerationConfig,
    TrainingConfig,
    ValidationConfig,
)
from im2mesh.config.sections import Section
from im2mesh.files.hashes import DIGITS, hash_text

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "torch", "torchdiffeq", "numpy", "scipy", "trimesh", "PyMCubes", "libigl",
    "fast-simplification", "Pillow",
)  # fmt: skip
"""Packages that the numbers depend on."""
PACKAGE = "im2mesh"
CODE = (PACKAGE, "train.py", "generate.py", "eval.py", "scripts", "benchmarks")
"""Files and folders whose code makes results."""


LATER_KEYS: Mapping[type[Section], tuple[str, ...]] = {
    DataConfig: (
        "augment",
        "input_cameras",
        "input_folder",
        "input_uneven",
        "input_variety",
        "view_cameras",
    ),
    GenerationConfig: ("carry_tolerance", "fit_iterations", "copies", "smallest_piece"),
    TrainingConfig: ("compile", "start_from"),
    ValidationConfig: ("stride",),
}
"""Keys that version 0.1.0 did not have. At their default values they are left out of hashes, so
that the hashes of older results stay."""


@dataclass(frozen=True)
class Provenance:
    """What made a result in one stage; every result file carries it.

    Attributes:
        code: Git revision, with "+changes" and a hash of the code if that differs from the
            revision; without git, the version of the package.
        config: Hash of the resolved configuration, without settings that change no number.
        dataset: Fingerprint of the clips that the stage reads.
        seed: Seed of the stage.
        packages: Name -> version, for Python and the libraries.
        precision: Precision in which the networks of a training computed; None for other stages.
    """

    code: str
    config: str
    dataset: str
    seed: int
    packages: dict[str, str]
    precision: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        return (
            f"code {self.code}, config {self.config}, data {self.dataset}, seed {self.seed}; "
            f"{_listed(self.packages)}"
        )


def provenance(config: Config, dataset: str, seed: int) -> Provenance:
    """The provenance of a stage that runs now, with this code and these libraries."""
    return Provenance(code_revision(), config_hash(config), dataset, seed, package_versions())


def software() -> str:
    """Code and libraries that run now, in words, for measurements without a configuration."""
    return f"code {code_revision()}; {_listed(package_versions())}"


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def config_hash(config: Config) -> str:
    """Hash of all settings that affect a number."""
    without_effect: dict[str, Any] = {}
    for key in keys_affecting(Config, Affects.NOTHING):
        section, _, name = key.rpartition(".")
        if section:
            without_effect.setdefault(section, set()).add(name)
        else:
            without_effect[name] = True
    for name, section in config:
        if isinstance(section, Section) and (unused := _unused(section)):
            without_effect.setdefault(name, set()).update(unused)
    return hash_text(config.model_dump_json(exclude=without_effect))


def _unused(section: Section) -> set[str]:
    """Later keys of a section that have their default values."""
    fields = type(section).model_fields
    later = LATER_KEYS.get(type(section), ())
    return {key for key in later if getattr(section, key) == fields[key].default}


@lru_cache(maxsize=1)
def code_revision() -> str:
    """The code that runs, as `Provenance.code` describes it."""
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
    """Hash of the sources in files and folders, as they are on disk, committed or not."""
    digest = hashlib.sha256()
    for name in names:
        top = ROOT / name
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            digest.update(path.relative_to(ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]


def _git(*arguments: str) -> str | None:
    """What git prints for the folder of the code; None without a clone or git, or if it fails."""
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run_hash(weights: str, config: Config) -> str:
    """The run hash, from the hash of the weights (see `weights_digest`) and `mesh_settings`."""
    return hash_text(weights, mesh_settings(config))


def mesh_settings(config: Config) -> str:
    """The settings that decide the meshes, beside weights and clips: how clips are observed, how
    meshes are made, the solver, and the networks, some of which have settings but no weights."""
    sections = (
        (config.generation, Affects.MESHES),
        (config.ode, Affects.MESHES),
        (config.model, Affects.MODEL),
        (config.data, Affects.OBSERVATION),
    )
    return "".join(
        section.model_dump_json(
            include=set(keys_affecting(type(section), effect)) - _unused(section)
        )
        for section, effect in sections
    )
