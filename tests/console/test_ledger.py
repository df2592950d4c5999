"""The proof as two columns."""

from hypothesis import given
from hypothesis import strategies as st

from wattbook.book.accounts import PURPOSES
from wattbook.book.audit import Proof
from wattbook.console.ledger import energy_ledger

ENERGY_PURPOSES = [f"{purpose.name}_mwh" for purpose in PURPOSES.values() if purpose.kind == "energy"]

BALANCES = st.dictionaries(st.sampled_from(ENERGY_PURPOSES), st.integers(-(10**15), 10**15))


@given(BALANCES)
def test_the_columns_differ_by_what_the_book_is_out_of_balance(totals: dict[str, int]) -> None:
    """Every purpose of energy stands in a column, so nothing can be missing from the sum a person makes."""
    ledger = energy_ledger(Proof((), totals))
    assert ledger.difference_mwh == -sum(totals.values())
    assert ledger.total_mwh == sum(line.mwh for line in ledger.sources)


@given(BALANCES)
def test_energy_on_its_way_is_shown_only_when_there_is_some(totals: dict[str, int]) -> None:
    on_its_way = totals.get("grid_mwh", 0) + totals.get("meter_mwh", 0)
    shown = [line.mwh for line in energy_ledger(Proof((), totals)).uses if line.words == "On its way"]
    assert shown == ([on_its_way] if on_its_way else [])
