"""The training loop, its steps, validation, and stopping without losing progress."""
