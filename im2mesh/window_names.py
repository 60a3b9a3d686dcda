"""Windows by the names that users type."""

import difflib
from collections.abc import Sequence

from im2mesh.data.sequences import Window
from im2mesh.errors import UserError

_SHOWN = 8  # names in an error message


def find_window(windows: Sequence[Window], name: str) -> Window:
    """The window named CLIP/START, such as 01_hips/00000, or CATEGORY/CLIP/START.

    Raises:
        UserError: If there is none, or several categories have one.
    """
    found = [window for window in windows if name in _names(window)]
    if len(found) == 1:
        return found[0]
    if found:
        full = ", ".join(_names(window)[1] for window in found)
        raise UserError(f"window {name} is in several categories; say which: {full}")
    known = [str(window) for window in windows]
    near = sorted(difflib.get_close_matches(name, known, _SHOWN, cutoff=0.0))
    rest = f" and {len(known) - len(near)} more" if len(known) > len(near) else ""
    raise UserError(
        f"no window {name}; there are: {', '.join(near)}{rest} (windows start every "
        "data.eval_stride frames; --split chooses the clips)"
    )


def _names(window: Window) -> tuple[str, str]:
    return str(window), f"{window.category}/{window}"
