"""Runs Jupyter notebooks with parameters, cell by cell."""
