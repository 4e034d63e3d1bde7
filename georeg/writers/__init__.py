"""Outputs: one file per format."""
