"""OGC API - Features over vector results and job footprints: an ASGI application, to be mounted at `/features`."""
