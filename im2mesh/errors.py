"""The base of all errors that a user, and not a programmer, can put right."""


class UserError(ValueError):
    """Says what is wrong and the way out; the entry points print it without a traceback."""
