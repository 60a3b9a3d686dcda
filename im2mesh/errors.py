"""The base of all errors that a user can put right, without changing the code."""

import errno

SYSTEM_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its permissions, or choose another folder",
    errno.EROFS: "choose a folder that can be written to",
    errno.ENOTDIR: "a file is where a folder should be: move it, or choose another folder",
    errno.EEXIST: "a file is where a folder should be: move it, or choose another folder",
    errno.EISDIR: "a folder is where a file should be: move it, or choose another name",
    errno.ENOLCK: "choose a folder on a file system with locks",
    errno.ENOTSUP: "choose a folder on a file system with locks",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or lower training.num_workers",
}
"""Number of an error of the operating system -> what the user can do."""


class UserError(ValueError):
    """Says what is wrong and what to do; the entry points print it without a traceback."""


class Advice(UserWarning):
    """Says what may not be meant, though work goes on; the entry points print it as one line."""


class ConfigError(UserError):
    """The configuration is wrong. One line per mistake: where, what, and what would be right."""


def is_refused_by_system(error: BaseException) -> bool:
    """Whether the system refuses to open a file for a reason of its own, such as permissions; then
    the file is not damaged, and the error should reach `explain_system_error` as it is."""
    return isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EMFILE)


def explain_system_error(error: OSError) -> str | None:
    """Say what the system refused and what to do about it; None if that is not known.

    >>> explain_system_error(OSError(errno.ENOSPC, "No space left on device", "out/run/model.pt"))
    'out/run/model.pt: No space left on device; free some space, then run the same command again'
    """
    if error.errno not in SYSTEM_ADVICE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    advice = SYSTEM_ADVICE[error.errno]
    return f"{where}{error.strerror}; {advice}, then run the same command again"
