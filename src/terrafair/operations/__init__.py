"""Health, metrics, and what an operator asks."""
