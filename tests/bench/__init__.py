"""The benchmark's own arithmetic, and its load generator against a scripted and a real registrar."""
