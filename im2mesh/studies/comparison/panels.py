"""What several runs predicted of one window, with the errors of each."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.runs.folder import RunFolder
from im2mesh.visualization.contact_sheet import read_panel
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.vertex_errors import vertex_errors


def panels_of_runs(
    runs: Mapping[str, Path], settings: Mapping[str, Mapping[str, Any]], split: str, window: Window
) -> dict[str, Panel]:
    """Name of a run -> what it predicted for a window, beside the truth as the first run has it."""
    stored = StoredWindow(next(iter(settings.values()))["data.root"], window)
    base = read_panel(stored)
    panels = {}
    for name, path in runs.items():
        prediction = PredictedMeshes(RunFolder(path).generation(split)).read(stored)
        errors = vertex_errors(
            stored,
            prediction,
            settings[name]["evaluation.correspondence"],
            settings[name]["evaluation.project_to_final_mesh"],
        )
        panels[name] = replace(base, prediction=prediction.meshes, errors=errors)
    return panels
