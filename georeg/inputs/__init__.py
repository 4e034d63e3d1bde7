"""How input rasters are opened, and what their headers say; `georeg.raster` reads them."""
