"""Directories of other products: their tables, read from a database, a dump or CSV, and taken over."""
