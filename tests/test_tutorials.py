"""The notebooks of docs/ run as they stand, cell by cell; but the training is shorter."""

import json
from pathlib import Path
from unittest import mock

import matplotlib
import pytest

from im2mesh.models.wiring.parts import DECODERS
from tests.shapes import unchecked_shapes

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
    with unchecked_shapes(), mock.patch.dict(DECODERS):  # one notebook adds a decoder
        for number, text in enumerate(cells, start=1):
            shorter = text.replace("max_iterations=200", "max_iterations=50")
            exec(compile(shorter, f"{path.name}, cell {number}", "exec"), names)
    assert len(cells) == 10
