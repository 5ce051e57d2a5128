"""User-defined functions in Python: the interfaces that they are written against, and how they are called."""
