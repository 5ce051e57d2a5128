"""Items in SQLite: real columns, an R*Tree over space, time and collection, FTS5; JSON kept as it came."""
