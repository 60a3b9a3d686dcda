"""Pictures of what generation and evaluation wrote, measured only vertex by vertex."""
