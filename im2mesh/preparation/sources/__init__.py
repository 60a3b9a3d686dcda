"""Readers of moving meshes, one kind of data set a file."""
