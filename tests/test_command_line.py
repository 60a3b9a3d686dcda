"""What commands print for people, beside the errors of `test_errors.py`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WARNINGS = """
import sys, warnings
from im2mesh.command_line import exit_status
from im2mesh.errors import Advice

def main(_):
    warnings.warn("mind the gap", Advice, stacklevel=2)
    warnings.warn("of a library", UserWarning, stacklevel=2)

sys.exit(exit_status(main, []))
"""


def stderr_of(*arguments: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return result.returncode, result.stderr


def test_our_warnings_are_one_line_and_those_of_libraries_stay():
    status, told = stderr_of("-c", WARNINGS)
    assert status == 0 and "UserWarning: of a library" in told
    assert told.startswith("warning: mind the gap\n")


def test_without_the_environment_the_last_line_names_it():
    # -S leaves out the installed packages, as a system's Python does
    status, told = stderr_of("-S", "train.py", "configs/demo.yaml")
    assert status == 1
    assert "activate the environment: source .venv/bin/activate" in told.splitlines()[-1]
