"""Every pinned package has a binary for every Python and system that the README names."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

GLIBC = ("2_28", "2_27", "2_26", "2_24", "2014", "2_17", "2_12", "2010", "2_5", "1")
SYSTEMS = {
    "Linux x86-64": ("Linux", "x86_64", [f"manylinux{'_' * ('_' in v)}{v}_x86_64" for v in GLIBC]),
    "Linux arm64": ("Linux", "aarch64", [f"manylinux{'_' * ('_' in v)}{v}_aarch64" for v in GLIBC]),
    "macOS arm64": ("Darwin", "arm64", ["macosx_14_0_arm64"]),
    "Windows x86-64": ("Windows", "AMD64", ["win_amd64"]),
}
"""Name -> system and machine as markers name them, and the tags of its binaries."""
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}


def pins(python: str, system: str, machine: str) -> list[str]:
    """The lines of constraints.txt that hold there. pip itself would ask the running Python."""
    there = {
        "python_version": python, "python_full_version": f"{python}.0", "platform_system": system,
        "platform_machine": machine, "sys_platform": SYS_PLATFORM[system],
    }  # fmt: skip
    lines = Path("constraints.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [
        f"{pin.name}{pin.specifier}"
        for pin in wanted
        if not pin.marker or pin.marker.evaluate(there)
    ]


def test_pymcubes_is_asked_for_only_where_it_has_a_binary():
    assert "PyMCubes==0.1.6" in pins("3.12", "Linux", "x86_64")
    for place in (("3.13", "Linux", "x86_64"), ("3.12", "Linux", "aarch64")):
        assert not any(pin.startswith("PyMCubes") for pin in pins(*place))


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_pin_has_a_binary(name, python, tmp_path):
    system, machine, tags = SYSTEMS[name]
    (tmp_path / "pins.txt").write_text("\n".join(pins(python, system, machine)))
    command = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps",
        "--ignore-installed", "--only-binary=:all:", f"--python-version={python}",
        f"--target={tmp_path / 'nowhere'}", f"--requirement={tmp_path / 'pins.txt'}",
        *(f"--platform={tag}" for tag in tags),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
