"""Workspaces: a JupyterLab for each person and project, in the sandbox, on the project's allocation."""
