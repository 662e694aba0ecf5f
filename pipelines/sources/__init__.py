"""Curated sources: files of many formats in, documents out."""
