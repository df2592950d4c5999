"""The checks, one file a subject, each filling its own list."""

from wattbook.conformance.check import Check
from wattbook.conformance.checks import calls, commands, connections, frames, handshake, messages, sessions

CHECKS: tuple[Check, ...] = tuple(
    each for part in (handshake, frames, calls, connections, commands, sessions, messages) for each in part.CHECKS.all
)
"""In the order of a visit: the door, frames, CALLs, connections, commands, charging, every message."""
