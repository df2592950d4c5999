"""Stations: the OCPP protocol at both of its ends.

Owns everything between a socket and a neutral message: the WebSocket, the RPC frames, the schema check, the dialects
that turn a version's payload into the vocabulary of `messages` and back, the one outstanding CALL of each direction,
and the register of live connections. Also who may come and how fast (`turnstile`), what is tolerated of whom (`quirks`,
`options`), the journal of raw frames (`journal`), and who is there (`attendance`). The walk of a message is the same at
the management system and at the station:

    transport → frames.parse → schema check → dialect → inbox (the controllers) → dialect → schema check
              → sending queue → transport

Commands to stations walk another way: they are rows that any process may add (`commands`, `orders`), and the process
that holds a station's socket sends them and records what became of them (`delivery`).

Decides nothing about energy, money or tokens: that is what the inbox is for, a callable given from outside.

Invariants: an answer leaves only after the inbox's awaitable is done, and the inbox is done only after its commit.
Frames of one connection are handled in the order they came; a connection never has two CALLs of its own outstanding.
The reader never waits for the inbox. What differs between versions is a row of data (`versions`, `errors`,
`dialects`), not a branch. Of two sockets of one station the newest lives, and a late end of the older changes nothing.
A command is marked as sent before it leaves, and only by the holder of the station's present connection.
Energy is whole milliwatt-hours from the moment a payload is read.
"""
