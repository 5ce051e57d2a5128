"""Runs a command line in a repository: what many published workflows are."""
