"""The check of the split files of a category."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from im2mesh.data.layout import CLOUD_FOLDER, PACKED_ENDING
from im2mesh.data.streaming import is_streamed
from im2mesh.data.windows import ALL_CLIPS, read_split
from im2mesh.errors import UserError
from im2mesh.files.numbered import listed
from im2mesh.preparation.checks.findings import Findings


def clips_of(category: Path) -> list[str]:
    """Names of the folders of a category that hold a clip, packed, on a server or not, sorted."""
    marks = (CLOUD_FOLDER, packed := f"{CLOUD_FOLDER}{PACKED_ENDING}")
    found = {path.parent.name for mark in marks for path in category.glob(f"[!.]*/{mark}")}
    served = {path.name for path in category.glob("[!.]*") if is_streamed(path / packed)}
    return sorted(found | served)


def check_splits(category: Path) -> tuple[dict[str, list[str]], Findings]:
    """The splits of a category by name, and what is wrong with them."""
    findings, splits = Findings(category.name), {}
    for path in sorted(category.glob("[!.]*.lst")):
        try:
            splits[path.stem] = read_split(category, path.stem)
        except UserError as error:
            findings.fault(str(error))
            continue
        _check_split(path, splits[path.stem], findings)
    _check_leaks(splits, findings)
    named = {clip for clips in splits.values() for clip in clips}
    unnamed = set(clips_of(category)) - named
    if splits and unnamed:
        findings.advise(f"no split names the clips {listed(unnamed)}")
    if not splits:
        findings.advise(
            f"it has no split files, so the only split is '{ALL_CLIPS}'; write train.lst, val.lst "
            "and test.lst with one clip a line to train on some clips and test on others"
        )
    return splits, findings


def check_copies(
    splits: Mapping[str, Sequence[str]], digests: Mapping[str, int | None], findings: Findings
) -> None:
    """Whether two clips with different names hold the same frames.

    Args:
        digests: Name of a clip -> what its copies have in common, if that is known.
    """
    clips_by_digest = defaultdict(list)
    for clip, digest in digests.items():
        if digest is not None:
            clips_by_digest[digest].append(clip)
    for clips in clips_by_digest.values():
        if len(clips) < 2:
            continue
        text = f"the clips {listed(clips)} hold the same frames"
        homes = {name for name, members in splits.items() if set(members) & set(clips)}
        if any(_must_differ(*pair) for pair in combinations(sorted(homes), 2)):
            findings.fault(f"{text}, and splits that must differ name them; remove the copies")
        else:
            findings.advise(text)


def _check_split(path: Path, clips: Sequence[str], findings: Findings) -> None:
    if not clips:
        findings.fault(f"{path.name} names no clip; write one name a line, or remove it")
    twice = [clip for clip, count in Counter(clips).items() if count > 1]
    if twice:
        findings.fault(f"{path.name} names {listed(twice)} twice; remove the second line")
    missing = [clip for clip in clips if not (path.parent / clip).is_dir()]
    if missing:
        findings.fault(
            f"{path.name} names {listed(missing)}, and there is no such folder; copy it, or remove "
            "the name"
        )


def _check_leaks(splits: Mapping[str, Sequence[str]], findings: Findings) -> None:
    for one, other in combinations(sorted(splits), 2):
        shared = set(splits[one]) & set(splits[other])
        if shared and _must_differ(one, other):
            findings.fault(
                f"{listed(shared)} stand in both {one}.lst and {other}.lst, so what is measured on "
                "one was seen in the other; keep each in one of them"
            )


def _must_differ(one: str, other: str) -> bool:
    """Whether two splits must not share clips: what is learnt from, chosen by, and measured on.

    Test splits may overlap each other; train_generative and overfit overlap others by design.

    Example:
        >>> _must_differ("test_unseen", "train"), _must_differ("test", "train_generative")
        (True, False)
    """
    roles = [_role(name) for name in (one, other)]
    return None not in roles and roles[0] != roles[1]


def _role(split: str) -> str | None:
    if split == "train":
        return split
    return next((role for role in ("val", "test") if split.startswith(role)), None)
