"""Weights that ship with the package. The model card beside each file says what they can do."""
