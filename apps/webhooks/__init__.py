"""Tells other systems what happened to registrations, as signed requests and as a stream. Must not decide what did."""
