"""Readers and writers of mesh formats, one file each."""
