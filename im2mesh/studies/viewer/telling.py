"""Errors that the page can tell."""

from collections.abc import Iterator
from contextlib import contextmanager

from im2mesh.errors import UserError


@contextmanager
def as_user_error(name: str) -> Iterator[None]:
    """What is said of an observation that cannot be read, as an error of the user.

    Args:
        name: Of what is observed.
    """
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
