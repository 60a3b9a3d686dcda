"""Reading and writing files that may be broken, hostile, or in use by another process."""
