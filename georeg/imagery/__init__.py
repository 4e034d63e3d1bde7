"""What kinds of rasters there are, and what each needs before it can be matched.

`georeg.radiometry` makes images of bands with it.
"""
