"""How well runs cope with worse observations, and with larger or longer motion."""
