"""The addresses of the API, one file per noun. Must not write to the database: every change is a service."""
