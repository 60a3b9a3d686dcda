"""The end of a check: a table, a list of what to mend, and a picture."""

from collections.abc import Sequence
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.preparation.checks.findings import num_faults
from im2mesh.preparation.checks.report import CategoryReport, tell_table
from im2mesh.preparation.clip_note import read_note
from im2mesh.preparation.picture import clip_section
from im2mesh.visualization.sheet import Section, draw_sections

_MOST_SECTIONS = 12
_CELL_HEIGHT = 220  # pixels


def tell_verdict(root: Path, reports: Sequence[CategoryReport]) -> None:
    """Print the table and the list of what to mend.

    Raises:
        UserError: If something has to be mended.
    """
    print(tell_table(reports))
    findings = [found for report in reports for found in report.all_findings()]
    for line in [line for found in findings for line in found.lines()]:
        print(line)
    faults = num_faults(findings)
    if faults:
        raise UserError(f"{root} has {faults} faults to mend, listed above")
    print("nothing has to be mended")


def draw_sheet(root: Path, reports: Sequence[CategoryReport], path: Path) -> None:
    """Draw the first intact clip of each split, or of a category without splits.

    Raises:
        UserError: If pyvista is missing, or another picture has that name.
    """
    sections = [section for report in reports for section in _sections(root, report)]
    if not sections:
        raise UserError(f"no clip of {root} is intact, so there is nothing to draw")
    draw_sections(sections[:_MOST_SECTIONS], path, _CELL_HEIGHT, origin=f"check of {root.name}")


def _sections(root: Path, report: CategoryReport) -> list[Section]:
    splits = report.splits or {"": list(report.clips)}
    intact = [name for name, clip in report.clips.items() if not clip.findings.faults]
    chosen = {next((name for name in names if name in intact), None) for names in splits.values()}
    return [
        clip_section(
            root, report.name, name, read_note(root / report.name / name).get("corresponds", True)
        )
        for name in sorted(filter(None, chosen))
    ]
