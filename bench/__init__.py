"""A benchmark of the product beside others on the same machine: `./run bench`, see README.md. Linux only."""
