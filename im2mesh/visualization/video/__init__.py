"""Moving pictures of windows: panes side by side, shadows, trails, arrows, and their files."""
