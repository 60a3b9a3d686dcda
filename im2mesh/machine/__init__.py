"""The machine that a run uses: devices, memory, processes, and locks between processes."""
