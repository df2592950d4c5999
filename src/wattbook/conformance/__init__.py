"""Conformance: does a management system keep the rules of OCPP? Asked of any of them, over nothing but its URL.

Owns the checks: what is sent to a management system from the station's end, what may come back, and which clause or
which field report says so; and a generator of messages, right and wrong, out of the schemas of every version.

Decides nothing and repairs nothing. It imports neither the stations' room nor any other: frames are written and read
here by hand, on another WebSocket library, so that a mistake of our own protocol code cannot hide itself.

Invariants: a check sees only what a station could see; each runs on connections of its own and leaves none behind; a
check that lacks what it needs (a token, a second version, a way to make the system call) says so and is neither passed
nor failed; randomness, ids and time come from the caller.
"""
