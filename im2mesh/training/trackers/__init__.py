"""Where a training tells its numbers and pictures: one class for each program that shows them."""
