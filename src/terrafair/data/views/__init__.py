"""What a person sees of a file: rows, features, headers, cells, text - each bounded in size, read in the sandbox."""
