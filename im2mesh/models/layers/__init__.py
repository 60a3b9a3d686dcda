"""Layers and operations that networks share."""
