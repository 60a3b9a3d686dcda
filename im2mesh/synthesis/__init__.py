"""Synthetic bodies: skeleton and skinning, motions, sampling, and the D-FAUST layout on disk."""
