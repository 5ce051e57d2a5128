"""Platforms elsewhere as targets: OGC API - Processes servers and openEO back-ends execute what was developed here."""
