"""Pictures of generated meshes beside the truth, and of the error at each vertex."""
