"""What the signals of `quality.signals` are counted with: one kind of measure a file."""
