"""Short hashes of texts and files."""

import hashlib
from pathlib import Path

DIGITS = 16  # length of a hash, in hexadecimal digits


def hash_text(*texts: str) -> str:
    """A short hash of texts. Lengths go in, so ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}".encode())
    return digest.hexdigest()[:DIGITS]


def hash_file(path: Path) -> str:
    """A short hash of the content of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
