"""What can be measured: one module each, with a function that returns its Report."""
