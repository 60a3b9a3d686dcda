"""The check of a whole data set: its splits, and all of its clips."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from im2mesh.data.clip_files import forget_files, numbered_files
from im2mesh.data.layout import CLOUD_FOLDER, check_name
from im2mesh.errors import UserError
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.preparation.checks.clip_check import ClipCheck
from im2mesh.preparation.checks.report import CategoryReport, ClipReport
from im2mesh.preparation.checks.split_files import check_copies, check_splits, clips_of


def check_dataset(
    root: Path, categories: Sequence[str] | None = None, workers: int = 1
) -> list[CategoryReport]:
    """Read all files of a data set.

    Args:
        categories: Folders to check; None for all.

    Raises:
        UserError: If there is no clip to check.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    forget_files()
    names = _categories(root, categories)
    checks = [ClipCheck(root, name, clip) for name in names for clip in clips_of(root / name)]
    total = sum(map(_count, checks))
    with tqdm(total=total, unit="frame", smoothing=0.1) as progress:
        reports = work_on_clips([check.run for check in checks], workers, progress)
    return [_category_report(root / name, reports) for name in names]


def _categories(root: Path, wanted: Sequence[str] | None) -> list[str]:
    if not root.is_dir():
        raise UserError(f"no folder {root}; give the folder that holds the categories")
    for name in wanted or ():
        check_name(name, "category")
    visible = (path.name for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    found = [name for name in wanted or sorted(visible) if clips_of(root / name)]
    if not found:
        hint = f"; is it {root.parent}?" if clips_of(root) else ""
        raise UserError(
            f"{root} holds no category with clips, which have a folder {CLOUD_FOLDER}{hint}"
        )
    return found


def _count(check: ClipCheck) -> int:
    try:
        return len(numbered_files(check.folder / CLOUD_FOLDER, check.clip).names)
    except UserError:
        return 0  # it is told when it is its turn


def _category_report(category: Path, reports: Sequence[ClipReport]) -> CategoryReport:
    own = sorted((r for r in reports if r.category == category.name), key=lambda r: r.clip)
    splits, findings = check_splits(category)
    check_copies(splits, {report.clip: report.digest for report in own}, findings)
    return CategoryReport(category.name, splits, {r.clip: r for r in own}, findings)
