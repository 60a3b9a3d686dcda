"""Data on disk -> samples and batches. Positions are in the frame of a window's first mesh."""
