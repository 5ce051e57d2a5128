"""The platform for machines, over HTTP."""
