"""Pictures of what generation and evaluation wrote. Computes no metric."""
