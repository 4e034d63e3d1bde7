"""Cities and countryside that nobody surveyed: training scenes whose every sensor is known.

A layout (what stands where, and how high) is drawn at random and rendered as any sensor would see
it from anywhere: roofs lean, shadows turn, radar lays buildings over, maps leave things out. Labels
belong to the ground, which is what users align; so a matcher learns that roofs are no places.
"""
