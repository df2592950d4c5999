"""May this driver charge here: each thing that can be missing refuses by its own name, and is kept to be shown."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.charging.world import (
    BALANCE_GROUP,
    GRID,
    HOUR,
    NOW,
    PARTNER,
    SUPPLIER,
    US,
    YEAR,
    build,
    tariff_document,
    top_up,
    won,
)
from wattbook.charging.cases import ClearanceRequest
from wattbook.charging.clearance import AskPartner, Cleared, Decision, clear
from wattbook.charging.consents import record_consents
from wattbook.charging.policy import Policy
from wattbook.charging.ports import Consent, ConsentAnswer
from wattbook.charging.views import refusals
from wattbook.db.engine import Database
from wattbook.kernel.errors import Refused
from wattbook.registry.customers import AccountKind, Customer, Token, TokenType, add_customers, add_tokens
from wattbook.registry.meters import MeterNetwork, assign_meter_networks
from wattbook.registry.parties import NetworkOperator, add_network_operators
from wattbook.registry.presence import Status, record_statuses
from wattbook.registry.stations import (
    Acceptance,
    Evse,
    StationTariff,
    add_evses,
    add_station_tariffs,
    set_acceptance,
)
from wattbook.registry.units import UnitSupply, assign_unit_supplies

HERE = ClearanceRequest("CP1", 1, "T-kim")
FOREIGN = replace(HERE, token_uid="FOREIGN-1")
ALLOWED = ConsentAnswer("allowed", PARTNER, "KREVBC123", "ref-1", SUPPLIER, BALANCE_GROUP, Decimal(20_000), "KRW")

Change = Callable[[AsyncConnection], Awaitable[object]]


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """A world in which kim may charge."""
    async with database.transaction() as opened:
        await build(opened)
        await top_up(opened, "kim", won(10_000))
        yield opened


async def clear_one(connection: AsyncConnection, request: ClearanceRequest = HERE) -> Decision:
    (decision,) = await clear(connection, [request], now=NOW)
    return decision


async def reason(connection: AsyncConnection, request: ClearanceRequest = HERE) -> str:
    decision = await clear_one(connection, request)
    assert isinstance(decision, Refused), decision
    return str(decision.details["reason"])


async def test_a_prepaid_customer_is_cleared_with_supplier_meter_and_network_operator(
    connection: AsyncConnection,
) -> None:
    decision = await clear_one(connection)
    assert isinstance(decision, Cleared)
    driver, place = decision.driver, decision.place
    assert (driver.customer_id, driver.payment, driver.available) == ("kim", "prepaid", won(10_000))
    assert (driver.supplier_id, driver.balance_group) == (SUPPLIER, BALANCE_GROUP)
    assert (place.meter_no, place.network_operator, place.evse_id, place.rated_power_w) == (
        "M1",
        GRID,
        "KR*WTB*E1",
        22_000,
    )
    assert decision.currency == "KRW"


async def test_without_a_named_evse_the_driver_alone_is_judged(connection: AsyncConnection) -> None:
    decision = await clear_one(connection, replace(HERE, connector_no=0))
    assert isinstance(decision, Cleared)
    assert decision.place.tariff is None
    assert decision.currency == "KRW"


async def no_supplier(connection: AsyncConnection) -> None:
    await connection.execute(text("DELETE FROM registry.unit_supplies"))


async def two_suppliers(connection: AsyncConnection) -> None:
    await connection.execute(text("INSERT INTO registry.suppliers VALUES ('KR*MOO', 'Moon')"))
    supply = UnitSupply("car-kim", "KR*MOO", BALANCE_GROUP, YEAR)
    await assign_unit_supplies(connection, [supply], allow_overlap=True)


async def no_network(connection: AsyncConnection) -> None:
    await connection.execute(text("DELETE FROM registry.meter_networks"))


async def two_networks(connection: AsyncConnection) -> None:
    await add_network_operators(connection, [NetworkOperator("KR*GRD", "Hills")])
    await assign_meter_networks(connection, [MeterNetwork("M1", "KR*GRD", YEAR)], allow_overlap=True)


async def no_meter(connection: AsyncConnection) -> None:
    await connection.execute(text("DELETE FROM registry.meter_places"))


async def restricted_tariff(connection: AsyncConnection) -> None:
    document = tariff_document()
    document["elements"][0]["restrictions"] = {"min_current": 16}  # no station says what current flows
    await add_station_tariffs(connection, [StationTariff(US, "plain", YEAR + HOUR, "KRW", document)])


def token(valid: bool = True, *, until: timedelta | None = None, customer: str | None = "kim") -> Change:
    known = Token(US, TokenType.RFID, "T-kim", "C-kim", customer, "car-kim", valid, NOW + until if until else None)
    return lambda connection: add_tokens(connection, [known])


def status(evse_no: int, word: str) -> Change:
    return lambda connection: record_statuses(connection, [Status("CP1", evse_no, 0, word, None, NOW)])


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("station-unavailable", lambda connection: set_acceptance(connection, [("CP1", Acceptance.BLOCKED)])),
        ("station-unavailable", status(1, "Faulted")),
        ("station-unavailable", status(0, "Unavailable")),
        ("token-blocked", token(False)),
        ("token-expired", token(until=-HOUR)),
        ("customer-missing", token(customer=None)),
        ("supplier-missing", no_supplier),
        ("supplier-ambiguous", two_suppliers),
        ("meter-missing", no_meter),
        ("network-operator-missing", no_network),
        ("network-operator-ambiguous", two_networks),
        ("tariff-missing", lambda connection: add_evses(connection, [Evse("KR*WTB*E1", "CP1", 1)])),
        ("tariff-unsupported", restricted_tariff),
    ],
)
async def test_what_is_missing_or_ambiguous_refuses_by_its_name(
    connection: AsyncConnection, expected: str, change: Change
) -> None:
    await change(connection)
    assert await reason(connection) == expected


async def test_a_station_or_an_evse_nobody_registered_refuses(connection: AsyncConnection) -> None:
    assert await reason(connection, replace(HERE, station_id="CP9")) == "station-unknown"
    assert await reason(connection, replace(HERE, connector_no=7)) == "evse-unknown"


async def test_an_empty_wallet_refuses_and_a_postpaid_customer_needs_none(connection: AsyncConnection) -> None:
    lee = Customer("lee", US, "Lee", "ko", AccountKind.PREPAID, "KRW")
    await add_customers(connection, [lee])
    await add_tokens(connection, [Token(US, TokenType.RFID, "T-lee", "C-lee", "lee", "car-kim")])
    request = replace(HERE, token_uid="T-lee")
    assert await reason(connection, request) == "no-credit"
    await add_customers(connection, [replace(lee, account_kind=AccountKind.POSTPAID)])
    decision = await clear_one(connection, request)
    assert isinstance(decision, Cleared)
    assert (decision.driver.payment, decision.driver.available) == ("postpaid", None)


async def test_a_policy_may_ask_for_more_than_nothing(connection: AsyncConnection) -> None:
    policy = Policy(balance_min={"KRW": Decimal(10_001)})
    (decision,) = await clear(connection, [HERE], now=NOW, policy=policy)
    assert isinstance(decision, Refused)
    assert decision.details["reason"] == "no-credit"


async def test_a_uid_of_two_issuers_is_not_guessed(connection: AsyncConnection) -> None:
    await add_tokens(connection, [Token(PARTNER, TokenType.RFID, "T-kim", "KREVBC1")])
    assert await reason(connection) == "token-ambiguous"


async def test_a_broken_station_is_told_before_an_unknown_token_is_asked_for(connection: AsyncConnection) -> None:
    await record_statuses(connection, [Status("CP1", 1, 0, "Faulted", None, NOW)])
    assert await reason(connection, FOREIGN) == "station-unavailable"


async def test_an_unknown_token_is_its_issuers_to_judge_and_its_yes_counts_fifteen_minutes(
    connection: AsyncConnection,
) -> None:
    asked = await clear_one(connection, FOREIGN)
    assert isinstance(asked, AskPartner)
    assert (asked.request.token_uid, asked.request.token_party) == ("FOREIGN-1", None)
    assert (asked.request.site_id, asked.request.evse_id) == ("park", "KR*WTB*E1")
    await record_consents(connection, [(asked.request, ALLOWED)], now=NOW)
    for moment, expected in ((NOW + timedelta(minutes=14), Cleared), (NOW + timedelta(minutes=15), AskPartner)):
        (decision,) = await clear(connection, [replace(FOREIGN, token_uid="foreign-1")], now=moment)
        assert isinstance(decision, expected)
    (decision,) = await clear(connection, [FOREIGN], now=NOW)
    assert isinstance(decision, Cleared)
    driver = decision.driver
    assert (driver.payment, driver.token_party, driver.customer_id) == ("partner", PARTNER, None)
    assert (driver.supplier_id, driver.balance_group) == (SUPPLIER, BALANCE_GROUP)
    assert (driver.authorization_reference, driver.prepaid) == ("ref-1", won(20_000))


async def test_a_known_token_of_a_partner_names_its_issuer_in_the_question(connection: AsyncConnection) -> None:
    await add_tokens(connection, [Token(PARTNER, TokenType.EMAID, "FOREIGN-1", "KREVBC1")])
    asked = await clear_one(connection, FOREIGN)
    assert isinstance(asked, AskPartner)
    assert (asked.request.token_party, asked.request.token_type) == (PARTNER, "EMAID")


@pytest.mark.parametrize(
    ("consent", "expected"),
    [
        ("blocked", "token-blocked"),
        ("expired", "token-expired"),
        ("no_credit", "no-credit"),
        ("not_allowed", "token-not-allowed"),
        ("unknown", "token-unknown"),
        ("unreachable", "partner-unreachable"),
    ],
)
async def test_a_partners_no_refuses_for_a_short_while(
    connection: AsyncConnection, consent: Consent, expected: str
) -> None:
    asked = await clear_one(connection, FOREIGN)
    assert isinstance(asked, AskPartner)
    await record_consents(connection, [(asked.request, ConsentAnswer(consent))], now=NOW)
    assert await reason(connection, FOREIGN) == expected
    (later,) = await clear(connection, [FOREIGN], now=NOW + timedelta(minutes=1))
    assert isinstance(later, AskPartner)


@pytest.mark.parametrize("supplier", [None, "9900000000010", "no supplier at all"])
async def test_a_foreign_driver_whose_supplier_is_not_registered_is_refused(
    connection: AsyncConnection, supplier: str | None
) -> None:
    asked = await clear_one(connection, FOREIGN)
    assert isinstance(asked, AskPartner)
    await record_consents(connection, [(asked.request, replace(ALLOWED, supplier_id=supplier))], now=NOW)
    assert await reason(connection, FOREIGN) == "supplier-missing"


async def test_refusals_are_kept_with_who_where_why_and_when(connection: AsyncConnection) -> None:
    await clear(connection, [HERE, replace(HERE, station_id="CP9")], now=NOW)
    (kept,) = await refusals(connection, NOW)
    assert (kept.station_id, kept.connector_no, kept.token_uid) == ("CP9", 1, "T-kim")
    assert (kept.reason, kept.refused_at) == ("station-unknown", NOW)
    assert "CP9" in kept.message
    assert await refusals(connection, NOW + HOUR) == []


async def test_each_request_of_a_batch_is_answered_in_order_by_a_fixed_number_of_statements(
    connection: AsyncConnection,
) -> None:
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(connection.sync_connection, "before_cursor_execute", count)
    batch = [HERE, replace(HERE, station_id="CP9"), FOREIGN]
    kinds = [type(decision) for decision in await clear(connection, batch, now=NOW)]
    assert kinds == [Cleared, Refused, AskPartner]
    alone, statements = statements, 0
    decisions = await clear(connection, batch * 20, now=NOW)
    assert [type(decision) for decision in decisions] == kinds * 20
    assert statements == alone
