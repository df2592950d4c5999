"""What goes over the wire, before anybody asks what it means: sockets (`transport`, `deflate`), the port that stations
come to (`server`, with the `turnstile` before its door), frames, the schema check, signatures around payloads, and what
differs between the versions below the level of messages (`versions`, `errors`).
"""
