"""An archive with the rules and replies of ESA's Project Results Repository, on the platform's object store."""
