"""One module per client: how it is started, told what to do, and asked how it went."""
