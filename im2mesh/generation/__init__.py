"""Observations -> moving meshes, for one window or for a whole split."""
