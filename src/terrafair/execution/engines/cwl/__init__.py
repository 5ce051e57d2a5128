"""Runs CWL: OGC Earth Observation Application Packages through cwltool, embedded."""
