"""georeg: align georeferenced rasters of any modality."""

__version__ = "0.1.0"
