"""What an intake says of a source, line by line."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from wattbook.household.readings.intake.items import Complaint

QUARANTINED_MAX: Final = 10_000
"""Complaints kept of one source; what is beyond is counted."""


@dataclass(slots=True)
class Report:
    """What became of the lines of a source.

    Attributes:
        new, changed, known: intervals: stored, stored as another version, and there already with the same content.
        registers: register readings stored; `derived` intervals were made of their differences.
        refused: why lines were not taken in, at most the first 10,000; `refused_count` counts all.
        bills: issued bills that these readings change.
    """

    source: str
    new: int = 0
    changed: int = 0
    known: int = 0
    registers: int = 0
    registers_known: int = 0
    derived: int = 0
    refused: list[Complaint] = field(default_factory=list)
    refused_count: int = 0
    bills: int = 0

    @property
    def reasons(self) -> dict[str, int]:
        """How often each code stands among the shown complaints."""
        return dict(Counter(complaint.code for complaint in self.refused))

    def refuse(self, complaint: Complaint) -> None:
        self.refused_count += 1
        if len(self.refused) < QUARANTINED_MAX:
            self.refused.append(complaint)
