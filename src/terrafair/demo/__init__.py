"""A small test catalogue with three experiments over a generated, Sentinel-2-like dataset."""
