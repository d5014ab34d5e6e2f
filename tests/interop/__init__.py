"""Real SIP clients against the real server: `./run interop` for all, `./run test` for the quick ones."""
