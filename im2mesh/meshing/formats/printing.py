"""Rows of numbers as text, for the writers of text formats."""

import numpy as np


def print_rows(row: str, left: np.ndarray, right: np.ndarray | None = None) -> str:
    """All rows at once: one format string, one tuple of numbers."""
    if right is None:
        return (row * len(left)) % tuple(left.ravel().tolist())
    return (row * len(left)) % tuple(np.concatenate([left, right], axis=1).ravel().tolist())
