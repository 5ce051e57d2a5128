"""Items in PostgreSQL with pgSTAC: its tables and functions, our SQL."""
