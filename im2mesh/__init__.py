"""Occupancy Flow: dense 4D reconstruction of moving bodies.

Read the package in the order of the pipeline:
config -> data -> models -> losses -> objective -> training -> generation -> meshing -> metrics
-> evaluation -> reporting -> visualization.
"""

__version__ = "0.1.0"
