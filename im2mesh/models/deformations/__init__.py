"""Deformations carry points from one time to another without a velocity field."""
