"""Renewals: a REGISTER that says what the one before said needs no second reading.

Nearly all that a registrar hears are renewals. A binding keeps a key of the request that made it: a digest of all its
bytes but those that every renewal changes. The next request with that key, from that very place, under an unchanged
policy, would be read and judged as the one before; so it is not: its credentials are proven, its times are written.
Whatever differs takes the ordinary way (batches.py), which remains the one place where rules are.
"""
