"""The notebooks of docs/ run as they stand, cell by cell."""

import json
from pathlib import Path

import matplotlib
import pytest

NOTEBOOKS = sorted(Path("docs").glob("*.ipynb"))


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    cells = code_cells(path)
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    names = {"__name__": "__main__"}
    for number, text in enumerate(cells, start=1):
        exec(compile(text, f"{path.name}, cell {number}", "exec"), names)
    assert len(cells) == 10
