"""The proof as two columns a person can add up: where energy came from, and who answers for it."""

from dataclasses import dataclass

from wattbook.book.audit import Proof


@dataclass(frozen=True, slots=True)
class Line:
    words: str
    mwh: int


@dataclass(frozen=True, slots=True)
class EnergyLedger:
    """Attributes:
    sources: what suppliers' balance groups gave, net of what they took, and what vehicles fed in.
    uses: who answers for it; an exception below zero was paid for and never measured.
    """

    sources: tuple[Line, ...]
    uses: tuple[Line, ...]

    @property
    def difference_mwh(self) -> int:
        return _sum(self.sources) - _sum(self.uses)

    @property
    def total_mwh(self) -> int:
        return _sum(self.sources)


def energy_ledger(proof: Proof) -> EnergyLedger:
    """From the balances by purpose, each as debits less credits."""
    totals = proof.totals
    on_its_way = totals.get("grid_mwh", 0) + totals.get("meter_mwh", 0)
    sources = (
        Line("From suppliers, net", -totals.get("balance_group_mwh", 0)),
        Line("Fed in by vehicles", -totals.get("feed_in_mwh", 0)),
    )
    uses = (
        Line("Customers and houses", totals.get("consumption_mwh", 0)),
        Line("Partners’ drivers", totals.get("partner_mwh", 0)),
        Line("Paid at a device already", totals.get("paid_elsewhere_mwh", 0)),
        Line("Named exceptions", totals.get("energy_exception_mwh", 0)),
    )
    return EnergyLedger(sources, (*uses, Line("On its way", on_its_way)) if on_its_way else uses)


def _sum(lines: tuple[Line, ...]) -> int:
    return sum(line.mwh for line in lines)
