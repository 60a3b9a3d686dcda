"""How methods fail: with worse observations, larger or longer motion, and how sound motion is."""
