"""The paper's networks, its baselines, and in `local` our own."""
