"""Items: STAC collections and their items, searched; SQLite and pgSTAC behind one port."""
