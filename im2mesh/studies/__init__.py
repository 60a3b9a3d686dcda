"""Questions that are asked of several trained runs together."""
