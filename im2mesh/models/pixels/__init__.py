"""Codes of images that a point of space reads where it is seen."""
