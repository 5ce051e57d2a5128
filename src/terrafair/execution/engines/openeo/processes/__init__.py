"""The predefined processes, in modules as the specification groups them."""
