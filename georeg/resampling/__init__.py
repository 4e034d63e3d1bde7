"""What blocks of an output need: where each pixel comes from, and which are valid.

`georeg.warping` makes them.
"""
