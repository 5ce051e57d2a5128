"""What is wrong with a workflow's sources, one module for each thing that is looked at."""
