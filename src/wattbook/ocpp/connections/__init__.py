"""One conversation between two ends, the same code at both: calls (`rpc`), what waits to be said (`sending_queue`),
what a frame means (`message_handler`, with `quirks` for what some say wrongly), and which conversation is the present
one (`connection`). `ports` says what each needs of its neighbours; `management` and `station` are the two ends.
"""
