"""One evening in a small world: three deployments, and everything the house can do, played with real protocols.

Owns the world (parties, sites, vehicles, houses), the five cases, and the closing table and proof. It reaches the
deployments as the world outside would: stations over OCPP, partners over OCPI, payment devices over the API. Only
master data and top-ups, which an operator would type in, are written through the rooms' own functions.
"""
