"""How a check ends."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """`NOT_APPLICABLE`: what the check needs is not there, so nothing was learnt."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class Failed(Exception):
    """The management system did something else; the message is what was seen."""


class NotApplicable(Exception):
    """The check cannot be made here; the message says what it needs."""


@dataclass(frozen=True)
class Finding:
    """What came of one check in one version.

    Attributes:
        check: its name, such as `R13 one call outstanding` or `1.6:4.1.3 unknown type`.
        version: of OCPP.
        expected: what a management system should do.
        source: the clause or the report from the field that says so.
        outcome: passed, failed, not applicable.
        seen: what it did, or what was missing.
    """

    check: str
    version: str
    expected: str
    source: str
    outcome: Outcome
    seen: str
