"""Meshes: extraction from an occupancy function, sequences over time, files, pictures."""
