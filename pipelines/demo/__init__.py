"""Real input without a network: what the environment itself holds, served, crawled and written down."""
