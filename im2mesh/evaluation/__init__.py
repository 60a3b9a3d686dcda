"""Predicted meshes and true points -> numbers, tables and plots."""
