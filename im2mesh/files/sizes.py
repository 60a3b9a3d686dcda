"""Sizes of files, for people."""


def in_words(size: float) -> str:
    """A number of bytes.

    Example:
        >>> in_words(1234567890), in_words(5000)
        ('1.2 GB', '0.0 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
