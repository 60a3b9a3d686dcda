"""How sound the motion of a run is, and what it costs."""
