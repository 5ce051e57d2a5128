"""Find: the mirror of the Open Science Catalog and its index."""
