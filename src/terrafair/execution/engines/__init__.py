"""One adapter for each type of workflow."""
