"""What a generative model invents, and how well it moves one body as another."""
