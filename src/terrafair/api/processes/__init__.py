"""OGC API - Processes: what can be executed here, executing it, and its jobs."""
