"""One page that holds all of a result: numbers, curves, and windows that play in a browser."""
