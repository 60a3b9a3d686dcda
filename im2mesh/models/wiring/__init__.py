"""From a configuration to a model: the tables of networks, the checks, the assembly."""
