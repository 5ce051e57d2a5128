"""Applies models in MLflow's format to images, block by block."""
