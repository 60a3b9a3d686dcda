"""Local codes, which are not in the paper: features at observed points, which move."""
