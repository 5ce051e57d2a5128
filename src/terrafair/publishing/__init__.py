"""PUBLISH: from a finished job to a reviewed entry of the Open Science Catalog, with the data archived."""
