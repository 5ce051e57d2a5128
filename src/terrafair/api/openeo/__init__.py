"""The openEO API 1.2, at `/openeo`."""
