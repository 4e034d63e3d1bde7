"""Two rasters as one scene: placed in a common frame, and seen and read on its windows."""
