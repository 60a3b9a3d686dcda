"""Package metadata and requirements. Exact versions for reproducible installs: constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "im2mesh/__init__.py").read_text())[1]
HAS_USD = "python_version >= '3.11' or platform_machine != 'aarch64'"
"""Where usd-core has binaries."""

setup(
    name="occupancy-flow",
    version=VERSION,
    description="Occupancy Flow: dense 4D reconstruction of moving bodies",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE", "NOTICE"],
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["im2mesh", "im2mesh.*"]),
    package_data={
        "im2mesh.synthesis": ["bodies.npz", "shape_space.npz"],
        "im2mesh.pretrained": ["*.safetensors", "*.md", "priors/*.safetensors"],
        "im2mesh.visualization.report": ["*.css", "*.js"],
        "im2mesh.visualization.viewer": ["*.css", "*.js"],
    },
    install_requires=[
        "torch>=2.6",
        "torchdiffeq>=0.2.5",
        "numpy>=1.26",
        "scipy>=1.11",
        "trimesh>=4.4",
        # where there is no binary of it, libigl takes its place
        "PyMCubes>=0.1.6; python_version < '3.13' and platform_machine != 'aarch64'",
        "PyYAML>=6.0",
        "pydantic>=2.8",
        "tensorboard>=2.16",
        "tqdm>=4.66",
        "libigl>=2.6.1",
        "fast-simplification>=0.1.9",
        "jaxtyping>=0.2.36",
        "matplotlib>=3.8",
        "pillow>=10.1",
        "safetensors>=0.4.3",
    ],
    extras_require={
        # headless rendering: contact sheets, videos, images of synthetic bodies
        "viz": ["pyvista>=0.44", "imageio-ffmpeg>=0.5"],
        "hdf5": ["h5py>=3.10"],  # only to prepare registrations of D-FAUST
        # only to stream packed clips from a web server; object stores also need their own, as s3fs
        "stream": ["fsspec>=2024.6", "aiohttp>=3.10"],
        # only to write and read animated USD files; it has no binary for Python 3.10 on Linux arm64
        "usd": [f"usd-core>=26.8; {HAS_USD}"],
        "wandb": ["wandb>=0.19"],  # only to tell Weights & Biases of a training
        "bake": ["anny==0.6.2", "roma", "safetensors"],  # only to bake the synthetic bodies anew
        "dev": [
            "pytest>=8",
            "h5py>=3.10",
            f"usd-core>=26.8; {HAS_USD}",
            "aiohttp>=3.10",
            "pytest-cov>=6",
            "pytest-xdist>=3.6",
            "beartype>=0.19",
            "ruff>=0.9",
            "pyright[nodejs]>=1.1.390",
        ],
    },
)
