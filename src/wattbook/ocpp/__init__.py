"""Stations: the OCPP protocol at both of its ends.

Owns everything between a socket and a neutral message: the WebSocket, the RPC frames, the schema check, the dialects
that turn a version's payload into the vocabulary of `messages` and back, the one outstanding CALL of each direction,
and the register of live connections. Imports go down only, from folder to folder:

    gateway       the management system's end, put together: the door, the inbox, delivery of commands
    controllers   what becomes of what stations say, a module a functional block
    security      who a station is, and how it proves it
    told          what stations are told of the house's own accord: tariffs, costs, lists of tokens, schedules
    transactions  from their first event to their end, however it comes
    journal       what was said, for people who look
    commands      what stations are asked to do, as rows
    kept          what stations keep, as far as they told or agreed
    connections   one conversation between two ends: calls, sending queue, message handler; and both ends
    dialects      how each version writes the neutral messages
    messages      the neutral vocabulary
    wire          sockets, frames, schemas, signatures, versions and their errors

Beside them lie the `catalogue` of all messages and `retention`, which forgets what is old. The walk of a message is the
same at the management system and at the station:

    transport → frames.parse → schema check → dialect → inbox (the controllers) → dialect → schema check
              → sending queue → transport

Commands to stations walk another way: they are rows that any process may add, and the process that holds a station's
socket sends them and records what became of them (`gateway.delivery`).

Decides nothing about energy, money or tokens: that is what the inbox is for, a callable given from outside.

Invariants: an answer leaves only after the inbox's awaitable is done, and the inbox is done only after its commit.
Frames of one connection are handled in the order they came; a connection never has two CALLs of its own outstanding.
The reader never waits for the inbox. What differs between versions is a row of data (`wire.versions`, `wire.errors`,
`dialects`), not a branch. Of two sockets of one station the newest lives, and a late end of the older changes nothing.
A command is marked as sent before it leaves, and only by the holder of the station's present connection.
Energy is whole milliwatt-hours from the moment a payload is read.
"""
