"""What every reader of a mesh format returns."""

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # vertices [V, 3], faces [F, 3], colours
