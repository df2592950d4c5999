"""What a station of OCPP 2.1 does about tariffs when it is told to (Part 2, I07 to I11), and when somebody
pays on the web.

It keeps a default tariff for each EVSE and one for each transaction that got its own; it prices nothing by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol

from wattbook.ocpp.messages import CostNoted, CostUpdated
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.simulate.evses import Evse
from wattbook.simulate.sessions import Session

ELEMENTS_MAX: Final = 10
"""Prices that it keeps of one dimension (TariffCostCtrlr.MaxElements)."""

DIMENSIONS: Final = ("energy", "chargingTime", "idleTime")


@dataclass(slots=True)
class Tariffs:
    """What a station was told.

    Attributes:
        defaults: by EVSE.
        of_transactions: by the name of the transaction, for those that were changed while they ran.
        costs: what transactions cost so far, as it was told.
        payments_awaited: by EVSE, for how many seconds somebody pays on the web; none: nobody does.
    """

    defaults: dict[int, JsonObject] = field(default_factory=dict)
    of_transactions: dict[str, JsonObject] = field(default_factory=dict)
    costs: dict[str, Decimal] = field(default_factory=dict)
    payments_awaited: dict[int, int] = field(default_factory=dict)

    def end_transaction(self, transaction_id: str) -> None:
        """What was told of it is of no use any more."""
        self.of_transactions.pop(transaction_id, None)
        self.costs.pop(transaction_id, None)


class Prices(Protocol):
    """What of a station is asked here."""

    @property
    def tariffs(self) -> Tariffs: ...

    @property
    def evses(self) -> dict[int, Evse]: ...

    def session(self, evse: int) -> Session | None: ...


async def set_default(station: Prices, payload: JsonObject) -> JsonObject:
    """I07: of one EVSE; with 0 of each."""
    evse, tariff = payload["evseId"], payload["tariff"]
    places = _places(station, evse)
    if not places:
        return {"status": "Rejected"}
    if _is_too_long(tariff):
        return {"status": "TooManyElements"}
    for place in places:
        station.tariffs.defaults[place] = tariff
    return {"status": "Accepted"}


async def get(station: Prices, payload: JsonObject) -> JsonObject:
    """I09: each tariff once, with the EVSEs it is of."""
    places = _places(station, payload["evseId"])
    if not places:
        return {"status": "Rejected"}
    held: dict[tuple[str, str], list[int]] = {}
    for place in places:
        for kind, tariff in _at(station, place):
            held.setdefault((tariff["tariffId"], kind), []).append(place)
    if not held:
        return {"status": "NoTariff"}
    assignments = [{"tariffId": id_, "tariffKind": kind, "evseIds": evses} for (id_, kind), evses in held.items()]
    return {"status": "Accepted", "tariffAssignments": assignments}


async def clear(station: Prices, payload: JsonObject) -> JsonObject:
    """I10: those that are named, or all; of one EVSE, or of each. What a transaction runs by stays."""
    defaults = station.tariffs.defaults
    places = _places(station, payload.get("evseId", 0))
    here = {place: defaults[place]["tariffId"] for place in places if place in defaults}
    named = payload.get("tariffIds") or list(dict.fromkeys(here.values()))
    for place, tariff_id in here.items():
        if tariff_id in named:
            del defaults[place]
    if not named:
        return {"clearTariffsResult": [{"status": "NoTariff"}]}
    known = set(here.values())
    results = [{"tariffId": id_, "status": "Accepted" if id_ in known else "NoTariff"} for id_ in named]
    return {"clearTariffsResult": results}


async def change_of_transaction(station: Prices, payload: JsonObject) -> JsonObject:
    """I11: the currency in which it began stays."""
    transaction_id, tariff = payload["transactionId"], payload["tariff"]
    place = _place_of(station, transaction_id)
    if place is None:
        return {"status": "TxNotFound"}
    before = station.tariffs.of_transactions.get(transaction_id, station.tariffs.defaults.get(place))
    if before is not None and before["currency"] != tariff["currency"]:
        return {"status": "NoCurrencyChange"}
    if _is_too_long(tariff):
        return {"status": "TooManyElements"}
    station.tariffs.of_transactions[transaction_id] = tariff
    return {"status": "Accepted"}


async def cost_updated(station: Prices, told: CostUpdated) -> CostNoted:
    """I02: shown while it runs."""
    station.tariffs.costs[told.transaction_id] = told.total_cost
    return CostNoted()


async def web_payment_started(station: Prices, payload: JsonObject) -> JsonObject:
    """The display says that somebody pays; a time of 0 ends it."""
    if payload["timeout"]:
        station.tariffs.payments_awaited[payload["evseId"]] = payload["timeout"]
    else:
        station.tariffs.payments_awaited.pop(payload["evseId"], None)
    return {}


def _places(station: Prices, evse: int) -> list[int]:
    return list(station.evses) if evse == 0 else [evse] if evse in station.evses else []


def _place_of(station: Prices, transaction_id: str) -> int | None:
    """Where a transaction runs."""
    for place in station.evses:
        session = station.session(place)
        if session is not None and session.transaction_id == transaction_id:
            return place
    return None


def _at(station: Prices, place: int) -> list[tuple[str, JsonObject]]:
    """Kind and tariff."""
    tariffs, session = station.tariffs, station.session(place)
    found = [("DefaultTariff", tariffs.defaults[place])] if place in tariffs.defaults else []
    own = None if session is None else tariffs.of_transactions.get(session.transaction_id or "")
    return found if own is None else [*found, ("DriverTariff", own)]


def _is_too_long(tariff: Mapping[str, Any]) -> bool:
    return any(len(tariff.get(dimension, {}).get("prices", ())) > ELEMENTS_MAX for dimension in DIMENSIONS)
