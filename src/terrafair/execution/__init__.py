"""Run: jobs, their lifecycle and queue, the sandbox, results and provenance."""
