"""Processing algorithms: one file each, thin over the engine's commands."""
