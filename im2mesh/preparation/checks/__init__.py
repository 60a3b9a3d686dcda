"""Checks of a data set on disk: every file, and whether what it holds is plausible."""
