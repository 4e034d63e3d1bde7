"""Networks that matchers run: plain arrays in, points out; weights come from the user's files."""
