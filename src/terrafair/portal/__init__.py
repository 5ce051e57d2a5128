"""The platform for people, in a browser."""
