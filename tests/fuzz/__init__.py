"""Fuzzing: what holds for any bytes and for any history of requests. See docs/fuzzing.md."""
