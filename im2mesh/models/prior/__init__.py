"""A prior that is learned of the codes of a trained model."""
