"""How calls are run: written once, for every backend."""
