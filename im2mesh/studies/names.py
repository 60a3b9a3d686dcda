"""The names of runs in tables and plots."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from im2mesh.errors import UserError


def default_names(paths: Sequence[Path]) -> list[str]:
    """Paths relative to their deepest common folder.

    >>> default_names([Path("out/pointcloud/oflow"), Path("out/pointcloud/onet4d")])
    ['oflow', 'onet4d']
    >>> default_names([Path("out/pointcloud/oflow"), Path("out/img/oflow")])
    ['pointcloud/oflow', 'img/oflow']
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100, removes ".." too
    common = Path(os.path.commonpath(absolute))
    if common in absolute:
        common = common.parent
    return [path.relative_to(common).as_posix() for path in absolute]


def name_runs(paths: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, Path]:
    """Name -> run; where no names are given, those of `default_names`.

    Raises:
        UserError: If a run or a name comes twice, or names and runs differ in number.
    """
    if names is not None and len(names) != len(paths):
        raise UserError(f"{len(names)} names for {len(paths)} runs; --names needs one per run")
    chosen = default_names(paths) if names is None else list(names)
    twice = [name for name, count in Counter(chosen).items() if count > 1]
    if twice:
        what, which = "name", twice[0]
        if names is None:
            what, which = "run", str(paths[chosen.index(which)])
        raise UserError(f"the {what} {which} is given twice; every {what} must differ")
    return dict(zip(chosen, paths, strict=True))
