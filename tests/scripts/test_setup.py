"""What scripts/setup.sh says when it cannot set up an environment: one thing to do for each cause.

The environment is a folder with a stand-in for its interpreter, which passes on to the real one
what it is not asked to fake.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """#!/usr/bin/env bash
if [ "$1 $2 $3" = "-m pip --version" ]; then echo "pip ${PIP_VERSION:-25.0} from here"; exit; fi
if [ "$1 $2 $3" = "-m pip install" ]; then echo "$PIP_SAYS"; exit "${PIP_STATUS:-0}"; fi
if [ "$2" = "import sys; print(sys.prefix)" ]; then echo "$PREFIX"; exit; fi
if [[ "$2" == *write_schema* ]]; then exit; fi
if [ -n "${VERSION_CHECK:-}" ] && [[ "$2" == *version_info* ]]; then exit "$VERSION_CHECK"; fi
exec "$REAL" "$@"
"""


@pytest.fixture
def set_up(tmp_path):
    """Run setup.sh in a copy of what it reads; returns the exit status and what it says."""
    for name in ("setup.py", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)

    def run(script: str = "", **variables: str) -> tuple[int, str]:
        given = {
            "PATH": os.environ["PATH"], "REAL": sys.executable, "PREFIX": str(environment),
            "VIRTUAL_ENV": str(environment), **variables,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail; source {ROOT}/scripts/setup.sh; {script}"],
            cwd=tmp_path, env=given, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == ""
        return done.returncode, done.stderr

    return run


def test_steps_and_sizes_are_told_and_the_second_time_it_is_ready(set_up):
    status, told = set_up(PIP_SAYS="a lot of talk")
    assert status == 0 and "a lot of talk" not in told
    assert [line.split(";")[0] for line in told.splitlines()] == [
        "setup: 1 of 3: PyTorch",
        "setup: 2 of 3: all other packages of constraints.txt",
        "setup: 3 of 3: the schema of configurations, for editors",
        "setup: done",
    ]
    status, told = set_up(PIP_STATUS="1")
    assert status == 0 and told.endswith("bin/python is ready\n")


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        (
            "ERROR: Could not install packages due to an OSError: No space left on device",
            "error: the disk is full; free 2500 MB, then run the same command again",
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(Failed to make a "
            "new connection: [Errno -3] Temporary failure in name resolution)': /simple/torch/\n"
            "ERROR: No matching distribution found for torch==2.13.0",
            "error: no network; connect, or set HTTPS_PROXY or PIP_INDEX_URL, then run the same",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement vtk==9.7.2\n"
            "ERROR: No matching distribution found for vtk==9.7.2",
            "error: no binary of vtk==9.7.2 for Python",
        ),
        (
            "ERROR: something else",
            "ERROR: something else\nsetup: error: pip failed, for the reason",
        ),
    ],
)
def test_a_failure_of_pip_is_explained(set_up, said, explained):
    status, told = set_up(PIP_STATUS="1", PIP_SAYS=said)
    assert status == 1 and explained in told
    assert "2 of 3" not in told


def test_an_old_pip_is_named(set_up):
    status, told = set_up(PIP_VERSION="20.3.4")
    assert status == 1 and "error: pip 20.3.4 is too old for today's packages" in told
    assert "-m pip install -U pip" in told


def test_an_active_environment_of_another_python_is_refused(set_up):
    status, told = set_up(VERSION_CHECK="1")
    assert status == 1 and "has no Python 3.10 to 3.14; deactivate it, or make it anew" in told


def test_a_full_disk_is_seen_before_the_download(set_up, tmp_path):
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "df").write_text("#!/bin/sh\necho header\necho disk 9 9 204800 9 /\n")
    (folder / "df").chmod(0o755)
    status, told = set_up(PATH=f"{folder}:{os.environ['PATH']}")
    assert status == 1 and "has 200 MB free, but the packages take 2500 MB" in told
    assert "1 of 3" not in told


def test_no_python_at_all_is_named(set_up, tmp_path):
    folder = tmp_path / "commands"
    folder.mkdir()
    for name in ("python3", "python3.12"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")  # it is too old
        (folder / name).chmod(0o755)
    for name in ("bash", "cat", "pwd"):
        (folder / name).symlink_to(Path("/bin") / name)
    status, told = set_up(PATH=str(folder), VIRTUAL_ENV="")
    assert status == 1 and "error: no Python 3.10 to 3.14 found; install one" in told
