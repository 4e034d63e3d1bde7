"""From a scene to tie points: located as a whole, then tracked level by level."""
