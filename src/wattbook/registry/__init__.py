"""Master data: who takes part, where energy flows, through which meter, on whose account.

Owns parties, power suppliers, balance groups and network operators; sites, stations, EVSEs, connectors and the station
tariffs offered there; meters; vehicles as mobile storage and consumption units; customers, tokens and households; and
which of these belong together at which time, as who lives in a house. It also keeps what a station last said of itself.
It does *not* decide whether a session may start, what it costs or who pays: it answers with facts, and says plainly
when a fact is missing or when two facts contradict each other.

Invariants:
- an identifier is stored in its canonical spelling, so every accepted spelling finds the same record;
- what is stored has passed validation: references exist, equipment is protected well enough for its place;
- a validity runs from its start up to, not including, its end; one of the same subject never overlaps another unless
  the caller asked for it, and then a look-up reports the candidates instead of choosing one;
- an older status never replaces a newer one;
- every function takes a batch and uses a fixed number of statements for it.
"""
