"""Files: written whole or not at all, and read with care, as they may be broken or hostile."""
