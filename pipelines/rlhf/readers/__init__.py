"""One file a layout: rows of a source become demonstrations, judgements and prompts."""
