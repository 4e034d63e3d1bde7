"""Training and evaluating matchers on random pairs of modalities, and the datasets for it."""
