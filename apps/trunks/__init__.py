"""Carriers: whom a trunk's packets are taken from, whose a number is, and the way to each. Must not carry calls."""
