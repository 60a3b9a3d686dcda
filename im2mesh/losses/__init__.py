"""The loss, which training minimises."""
