"""The files of a run: its folder, checkpoints and weights, and the origin of each result."""
