"""Encoders: observed frames -> a code, or a distribution over codes."""
