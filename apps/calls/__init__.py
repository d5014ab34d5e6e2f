"""Calls through the registrar: redirected, or relayed. Must not touch media, nor change who is registered where."""
