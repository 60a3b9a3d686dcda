"""The examples of docs/scaling.md, as they stand but for the numbers and names of the cluster."""

import re
from pathlib import Path

PAGE = Path("docs/scaling.md")
CONFIG = "configs/pointcloud/oflow.yaml"
MACHINES = {"--nodes=4": "--nodes=2", "--nproc-per-node 8": "--nproc-per-node 1"}
SHORT = {"--time=24:00:00": "--time=2", "USR1@300": "USR1@60"}
"""Two minutes. Slurm looks every 30 s whether to signal, so it does up to 30 s too early."""
TASKS = {"--ntasks=16": "--ntasks=2"}


def example(program: str, arguments: str, numbers: dict[str, str]) -> str:
    """The script of the page that runs a program, with other arguments and numbers."""
    found = re.findall(r"```bash\n(#!.*?)```", PAGE.read_text(), re.DOTALL)
    (script,) = (text for text in found if f" {program} " in text)
    for of_page, ours in {CONFIG: arguments, **numbers}.items():
        assert script.count(of_page) == 1, f"{of_page!r} is not once in the example of {program}"
        script = script.replace(of_page, ours)
    return script
