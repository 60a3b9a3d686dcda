"""Motion that is fitted to what was observed: a surface follows clouds, without any training."""
