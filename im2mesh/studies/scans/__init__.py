"""How well clouds without correspondence become moving meshes, against the truth."""
