"""STAC API 1.0 over the platform's items: one ASGI application, to be mounted at `/stac`."""
