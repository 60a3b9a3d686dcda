"""How many files may stay open."""

ON_WINDOWS, UNLIMITED = 512, 2**20


def most_open_files() -> int:
    """How many files this process may have open at a time (`ulimit -n`)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return ON_WINDOWS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if limit == resource.RLIM_INFINITY else limit
