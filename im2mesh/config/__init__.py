"""Configuration: what can be set, what it affects, and how it is read from YAML, strictly."""
