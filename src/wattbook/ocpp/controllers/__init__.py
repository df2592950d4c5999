"""The controllers: what a management system does with the messages of its stations, a batch at a time.

One module a functional block, all with the same face: a controller takes the messages of one kind that a group commit
gathered, from as many stations, uses a fixed number of statements, and gives one outcome a message, in order. `routes`
is the whole table: which struct goes to which controller. Adding a message is adding a struct, a row of a dialect, and
a row there.
"""
