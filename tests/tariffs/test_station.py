"""Prices of sessions: the worked examples of OCPI 2.2.1 that need no restrictions, and rules for every price."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Energy, Money
from wattbook.tariffs.compiling import compile_tariff
from wattbook.tariffs.session_price import Price, PriceLine
from wattbook.tariffs.station import (
    Dimension,
    PriceComponent,
    PriceLimit,
    SessionPeriod,
    StationTariff,
    TariffElement,
    TaxIncluded,
)

START = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)


def component(dimension: str, price: str, vat: str | None = None, step: int = 1) -> PriceComponent:
    return PriceComponent(Dimension(dimension), Decimal(price), None if vat is None else Decimal(vat), step)


def tariff(
    *components: PriceComponent,
    feed_in: PriceComponent | None = None,
    min_price: PriceLimit | None = None,
    max_price: PriceLimit | None = None,
) -> StationTariff:
    return StationTariff(
        country_code="KR",
        party_id="WTB",
        id="12",
        currency="EUR",
        elements=(TariffElement(components),),
        feed_in=(TariffElement((feed_in,)),) if feed_in else (),
        min_price=min_price,
        max_price=max_price,
    )


def price_session(priced: StationTariff, periods: list[SessionPeriod]) -> Price:
    return compile_tariff(priced).price(periods)


def session(kwh: str = "0", hours: str = "0", fed_in_kwh: str = "0") -> list[SessionPeriod]:
    seconds = Fraction(hours) * 3600
    time = timedelta(microseconds=int(seconds * 1_000_000))
    return [SessionPeriod(START, Energy.from_kwh(kwh), time, Energy.from_kwh(fed_in_kwh))]


FLAT = component("FLAT", "0.50", "20")
ENERGY = component("ENERGY", "0.25", "10")
MIN_PRICE = PriceLimit(Decimal("0.50"), Decimal("0.55"))
MAX_PRICE = PriceLimit(Decimal("10"), Decimal("11"))


@pytest.mark.parametrize(
    ("priced", "periods", "before_tax", "after_tax"),
    [
        pytest.param(tariff(ENERGY), session("20"), "5.00", "5.50", id="8 energy"),
        pytest.param(tariff(FLAT, ENERGY), session("20"), "5.50", "6.10", id="9 flat and energy"),
        pytest.param(tariff(ENERGY, min_price=MIN_PRICE), session("20"), "5.00", "5.50", id="12 above the minimum"),
        pytest.param(tariff(ENERGY, min_price=MIN_PRICE), session("1.2"), "0.50", "0.55", id="12 below the minimum"),
        pytest.param(
            tariff(FLAT, ENERGY, max_price=MAX_PRICE), session("30"), "8.00", "8.85", id="6 below the maximum"
        ),
        pytest.param(tariff(FLAT, ENERGY, max_price=MAX_PRICE), session("50"), "10", "11", id="6 above the maximum"),
        pytest.param(tariff(component("TIME", "2.00", "10", 60)), session(hours="2.5"), "5.00", "5.50", id="1 time"),
        pytest.param(
            tariff(FLAT, component("ENERGY", "0.25", "10", 100)),
            session("20.45"),
            "5.625",
            "6.2375",
            id="3 energy step",
        ),
        pytest.param(tariff(component("FLAT", "0.00", step=0)), session("20", "2"), "0", "0", id="5 free of charge"),
        pytest.param(
            tariff(component("TIME", "2.00", "10", 300)), session("15.342", "1.973"), "4.00", "4.40", id="CDR example"
        ),
        pytest.param(
            tariff(component("ENERGY", "0.25", step=25)), session("0.101"), "0.03125", "0.03125", id="step 25"
        ),
        pytest.param(tariff(component("ENERGY", "0.25", step=500)), session("0.001"), "0.125", "0.125", id="step 500"),
        pytest.param(tariff(component("TIME", "6.00", step=300)), session(hours="0.1"), "1", "1", id="6 min to 10"),
        pytest.param(tariff(component("TIME", "2.10", step=0)), session(hours="2.5"), "5.25", "5.25", id="no step"),
    ],
)
def test_worked_examples(priced: StationTariff, periods: list[SessionPeriod], before_tax: str, after_tax: str) -> None:
    price = price_session(priced, periods)
    assert (price.before_tax, price.after_tax) == (Fraction(before_tax), Fraction(after_tax))


def test_each_dimension_has_its_own_cost() -> None:
    price = price_session(tariff(FLAT, component("ENERGY", "0.25", "10", 100)), session("20.45", "1"))
    assert {name.value: (cost.before_tax, cost.after_tax) for name, cost in price.dimensions.items()} == {
        "FLAT": (Fraction("0.50"), Fraction("0.60")),
        "ENERGY": (Fraction("5.125"), Fraction("5.6375")),
    }
    assert price.dimensions[Dimension.ENERGY].volume == Fraction("20.5")


def test_the_explanation_tells_what_was_measured_and_what_the_step_added() -> None:
    lines = price_session(tariff(component("ENERGY", "0.25", "10", 100)), session("20.45")).lines
    assert [(line.reason, line.volume, line.unit, line.price, line.vat, line.before_tax) for line in lines] == [
        ("measured", Fraction("20.45"), "kWh", Decimal("0.25"), Decimal(10), Fraction("5.1125")),
        ("step", Fraction("0.05"), "kWh", Decimal("0.25"), Decimal(10), Fraction("0.0125")),
    ]


def test_a_limit_explains_itself_as_a_line() -> None:
    price = price_session(tariff(FLAT, ENERGY, max_price=MAX_PRICE), session("50"))
    assert [(line.reason, line.before_tax, line.after_tax) for line in price.lines][-1] == (
        "max_price",
        Fraction(-3),
        Fraction("-3.35"),
    )


def test_a_limit_without_tax_leaves_the_price_after_tax_alone() -> None:
    price = price_session(tariff(FLAT, ENERGY, max_price=PriceLimit(Decimal(10))), session("50"))
    assert (price.before_tax, price.after_tax) == (Fraction(10), Fraction("14.35"))


def test_a_dimension_is_priced_by_the_first_element_that_has_it() -> None:
    elements = (
        TariffElement((component("TIME", "1.00"),)),
        TariffElement((component("TIME", "9.00"), component("ENERGY", "0.30"))),
    )
    price = price_session(StationTariff("KR", "WTB", "12", "EUR", elements), session("10", "1"))
    assert [(line.unit, line.element, line.before_tax) for line in price.lines] == [
        ("kWh", 1, Fraction(3)),
        ("h", 0, Fraction(1)),
    ]


def test_a_dimension_without_a_component_is_free() -> None:
    assert price_session(tariff(ENERGY), session(hours="3")).before_tax == 0


def test_a_flat_fee_and_the_minimum_begin_with_the_session() -> None:
    priced = tariff(FLAT, ENERGY, min_price=PriceLimit(Decimal("0.80")))
    assert price_session(priced, []).before_tax == 0
    assert price_session(priced, session()).before_tax == Fraction("0.80")


def test_a_tax_that_is_not_stated_is_told_from_none() -> None:
    assert not price_session(tariff(component("ENERGY", "0.25")), session("1")).tax_stated
    assert price_session(tariff(component("ENERGY", "0.25", "0")), session("1")).tax_stated


def test_energy_fed_in_is_paid_to_the_driver() -> None:
    priced = tariff(FLAT, ENERGY, feed_in=component("ENERGY_EXPORT", "0.40", "0"))
    price = price_session(priced, session("2", fed_in_kwh="5"))
    assert price.before_tax == Fraction("0.50") + Fraction("0.50") - 2
    assert price.dimensions[Dimension.ENERGY_EXPORT].before_tax == -2
    assert price.dimensions[Dimension.ENERGY_EXPORT].volume == 5


def test_limits_hold_for_what_is_bought_not_for_what_is_fed_in() -> None:
    priced = tariff(ENERGY, feed_in=component("ENERGY_EXPORT", "0.40"), min_price=MIN_PRICE)
    assert price_session(priced, session("20", fed_in_kwh="20")).before_tax == 5 - 8
    assert price_session(priced, session("1", fed_in_kwh="20")).before_tax == Fraction("0.50") - 8


def test_without_a_feed_in_price_energy_fed_in_is_not_paid() -> None:
    assert price_session(tariff(ENERGY), session("20", fed_in_kwh="5")).before_tax == 5


def test_money_is_rounded_half_up_once_to_the_stored_unit() -> None:
    price = price_session(tariff(component("TIME", "1", "10", 0)), session(hours="1/3600"))
    assert price.before_tax == Fraction(1, 3600)
    assert price.before_tax_money() == Money.of("0.000278", "EUR")
    assert price.after_tax_money() == Money.of("0.000306", "EUR")


VOLUMES = st.lists(
    st.tuples(st.integers(0, 50_000_000), st.integers(0, 7_200_000_000), st.integers(0, 50_000_000)), max_size=6
)
PRICES = st.decimals(min_value=0, max_value=10, places=4)
STEPS = st.sampled_from([0, 1, 60, 100, 900])


@st.composite
def tariffs(draw: st.DrawFn) -> StationTariff:
    vat = draw(st.none() | st.decimals(min_value=0, max_value=25, places=1))
    parts = [PriceComponent(name, draw(PRICES), vat, draw(STEPS)) for name in (Dimension.ENERGY, Dimension.TIME)]
    feed_in = PriceComponent(Dimension.ENERGY_EXPORT, draw(PRICES), vat, draw(STEPS))
    limit = st.none() | st.builds(PriceLimit, PRICES, st.none() | PRICES)
    return tariff(FLAT, *parts, feed_in=feed_in, min_price=draw(limit), max_price=draw(limit))


def periods_of(volumes: list[tuple[int, int, int]]) -> list[SessionPeriod]:
    return [
        SessionPeriod(START + timedelta(hours=hour), Energy(mwh), timedelta(microseconds=us), Energy(fed_in))
        for hour, (mwh, us, fed_in) in enumerate(volumes)
    ]


@given(tariffs(), VOLUMES)
def test_lines_and_dimensions_sum_to_the_price(priced: StationTariff, volumes: list[tuple[int, int, int]]) -> None:
    price = price_session(priced, periods_of(volumes))

    def total(lines: list[PriceLine]) -> tuple[Fraction, Fraction]:
        zero = Fraction()
        return sum((line.before_tax for line in lines), zero), sum((line.after_tax for line in lines), zero)

    assert total(list(price.lines)) == (price.before_tax, price.after_tax)
    for name, cost in price.dimensions.items():
        assert total([line for line in price.lines if line.dimension is name]) == (cost.before_tax, cost.after_tax)


@given(tariffs(), VOLUMES.filter(bool))
def test_the_price_does_not_depend_on_how_a_session_is_cut(
    priced: StationTariff, volumes: list[tuple[int, int, int]]
) -> None:
    energy, time, fed_in = (sum(part) for part in zip(*volumes, strict=True))
    one, many = price_session(priced, periods_of([(energy, time, fed_in)])), price_session(priced, periods_of(volumes))
    assert (one.before_tax, one.after_tax) == (many.before_tax, many.after_tax)


@given(tariffs(), VOLUMES.filter(bool), st.integers(0, 50_000_000))
def test_more_energy_never_costs_less(
    priced: StationTariff, volumes: list[tuple[int, int, int]], more_mwh: int
) -> None:
    (mwh, us, fed_in), rest = volumes[0], volumes[1:]
    more = [(mwh + more_mwh, us, fed_in), *rest]
    assert price_session(priced, periods_of(volumes)).before_tax <= price_session(priced, periods_of(more)).before_tax


@given(tariffs(), VOLUMES.filter(bool))
def test_what_is_bought_stays_within_its_limits(priced: StationTariff, volumes: list[tuple[int, int, int]]) -> None:
    price = price_session(priced, periods_of([(mwh, us, 0) for mwh, us, _ in volumes]))
    if priced.max_price:
        assert price.before_tax <= Fraction(priced.max_price.before_tax)
    elif priced.min_price:
        assert price.before_tax >= Fraction(priced.min_price.before_tax)


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (TariffElement((ENERGY,), {"min_soc": 20}), r"restricted by min_soc: not known"),
        (TariffElement((ENERGY,), {"start_time": "17:00"}), r"time zone is needed"),
        (TariffElement((ENERGY,), {"reservation": "RESERVATION"}), r"ENERGY is not supported for a reservation"),
        (TariffElement((component("ENERGY_EXPORT", "2"),)), "ENERGY_EXPORT is not supported"),
    ],
)
def test_what_cannot_be_priced_is_refused(element: TariffElement, reason: str) -> None:
    priced = StationTariff("KR", "WTB", "12", "EUR", (TariffElement((ENERGY,)), element))
    with pytest.raises(InvalidInput, match=reason):
        price_session(priced, session("1"))


def test_prices_may_hold_their_taxes() -> None:
    holding = StationTariff("CA", "WTB", "20", "CAD", (TariffElement((ENERGY,)),), tax_included=TaxIncluded.YES)
    price = price_session(holding, session("11"))
    assert (price.before_tax, price.after_tax) == (Fraction("2.5"), Fraction("2.75"))
    unstated = replace(holding, elements=(TariffElement((component("TIME", "2.10"),)),))
    price = price_session(unstated, session(hours="2.5"))
    assert (price.before_tax, price.after_tax, price.tax_stated) == (Fraction("5.25"), Fraction("5.25"), False)


def test_where_no_tax_applies_none_is_added() -> None:
    free = StationTariff("CA", "WTB", "20", "CAD", (TariffElement((ENERGY,)),), tax_included=TaxIncluded.NONE)
    price = price_session(free, session("20"))
    assert (price.before_tax, price.after_tax, price.tax_stated) == (Fraction(5), Fraction(5), True)


def test_bad_volumes_and_prices_are_refused() -> None:
    with pytest.raises(InvalidInput, match="negative volume"):
        SessionPeriod(START, Energy(-1))
    with pytest.raises(InvalidInput, match="feed-in price"):
        component("ENERGY", "-0.10")
    with pytest.raises(InvalidInput, match="VAT"):
        component("ENERGY", "0.10", "101")
    with pytest.raises(InvalidInput, match="step size"):
        component("ENERGY", "0.10", step=-1)
    with pytest.raises(InvalidInput, match="order of time"):
        price_session(tariff(ENERGY), [SessionPeriod(START), SessionPeriod(START - timedelta(hours=1))])
    with pytest.raises(InvalidInput, match="unknown currency"):
        StationTariff("KR", "WTB", "12", "XXX", ())
