"""The other side: stations with their meters, vehicles, households and load, to show and to test the rest.

Owns invented and replayed behaviour only. Stations speak through `ocpp.connections`, the same protocol code that the
management system runs on; nothing here reaches into a database or decides what energy costs.

Invariants: time, randomness and identities come from the caller, so a seed gives the same day again; a meter's
registers only count on; energy is whole milliwatt-hours; what a station reports is what its meters show.
"""
