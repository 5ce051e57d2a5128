"""Comparison of two sets of files by what they hold, over local files alone; `assets.compare` is where it starts."""
