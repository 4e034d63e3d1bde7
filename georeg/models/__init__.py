"""Weights of trained matchers: which there are, where to get them, where they lie.

Nothing here touches the network unless `adding.pull` is called, and nothing imports torch but
`recognise`.
"""
