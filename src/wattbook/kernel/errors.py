"""One hierarchy of errors. An edge maps a class to its protocol's own code in one table; nobody parses a message.

A message is written for the person who can act on it: it names what was wrong and what would be right, and holds no
secret. `details` carries the same facts for a program.
"""

from typing import Any, ClassVar


class WattbookError(Exception):
    """Base of everything wattbook raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(WattbookError):
    """What came in does not fit its type, range or form."""

    code = "invalid-input"


class NotFound(WattbookError):
    """A thing that was named does not exist."""

    code = "not-found"


class Conflict(WattbookError):
    """The same identity came with another content, or a state forbids the change."""

    code = "conflict"


class Refused(WattbookError):
    """A rule of the business says no: the reason is in the message and `details['reason']`."""

    code = "refused"


class LimitExceeded(WattbookError):
    """More than the stated limit was asked for, or a queue is full: try later or ask for less."""

    code = "limit-exceeded"


class Unavailable(WattbookError):
    """A part that is needed does not answer now; the same request may succeed later."""

    code = "unavailable"
