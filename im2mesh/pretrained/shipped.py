"""The name of weights -> their file: one that ships with the package, or a file of one's own."""

from pathlib import Path

from im2mesh.errors import UserError

FOLDER = Path(__file__).parent
ENDING = ".safetensors"


def shipped_names() -> list[str]:
    """The names of all weights that ship with the package."""
    return sorted(path.stem for path in FOLDER.glob(f"*{ENDING}"))


def suiting_clouds(is_tracked: bool, is_one_sided: bool = False) -> str:
    """The name of the weights that suit clouds, if none are asked for.

    Args:
        is_tracked: Whether row n is the same point in all clouds.
        is_one_sided: Whether they show one side of a body alone, as one depth camera sees it.
    """
    if is_tracked:
        return "local"
    return "local_depth" if is_one_sided else "local_unordered"


def find_weights(name: str, other: str = "") -> Path:
    """The file of weights, given their name or the path of a .safetensors file.

    Args:
        other: What else the user may give, for the message.

    Raises:
        UserError: If there are no such weights; lists those that ship.
    """
    if name.endswith(ENDING):
        return Path(name)
    if name not in shipped_names():
        known = ", ".join(shipped_names()) or "none"
        raise UserError(
            f"no weights are called '{name}'; those of this package are: {known}. Give one of "
            f"these, or the path of a {ENDING} file{other}"
        )
    return FOLDER / f"{name}{ENDING}"


def find_prior(name: str | None) -> Path | None:
    """The prior of codes that ships beside weights of that name, if one does."""
    path = FOLDER / "priors" / f"{name}{ENDING}"
    return path if name in shipped_names() and path.is_file() else None
