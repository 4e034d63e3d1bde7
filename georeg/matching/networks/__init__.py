"""Networks of published matchers, with the official names of their weights."""
