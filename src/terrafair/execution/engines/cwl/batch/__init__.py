"""Runs the steps of CWL workflows as jobs of a batch system, through Toil."""
