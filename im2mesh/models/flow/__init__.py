"""The flow: a velocity field and the solvers that carry points along it."""
