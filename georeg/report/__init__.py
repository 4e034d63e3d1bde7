"""What a run says about itself: as JSON, as a page for people, and as pictures.

`contents` words an outcome as plain JSON, `pictures` holds decimated views of the rasters. Page and
plots are made of these two alone, so that they can be made again from what was stored.
"""
