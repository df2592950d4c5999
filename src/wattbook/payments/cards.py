"""A card at the charger: somebody who is no customer pays for one charge.

The payment itself is the account that the charge is paid from: a wallet owned by nobody but the payment. What was paid
before charging is on it; a pre-authorised card lets it go below zero by what was authorised, and what it owes in the
end is captured. The station is shown a token that leads to this account and to no customer.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.book.accounts import Account
from wattbook.book.statements import balances, set_floor
from wattbook.book.transfers import Transfer, fact_id
from wattbook.kernel.errors import Conflict, NotFound
from wattbook.kernel.units import Currency, Money
from wattbook.payments import store
from wattbook.payments.ledger import payment_fact, wallet
from wattbook.payments.posting import post_one
from wattbook.payments.questions import ask, question_about
from wattbook.payments.records import Operation, OperationKind, Payment, PaymentState
from wattbook.registry.customers import Holder, Token, TokenType, Whitelist, add_tokens, find_tokens
from wattbook.registry.sites import find_sites
from wattbook.registry.stations import find_stations
from wattbook.registry.terms import AccountTerms, WhenUsedUp, set_terms
from wattbook.registry.validity import Ambiguous, Missing

TOKEN_VALID_FOR: Final = timedelta(hours=1)
"""Charging has to begin within that time after the payment."""


def card_account(channel: str, payment_id: str) -> str:
    """Owner of the account: at most 36 characters, for it is the contract of the token too."""
    return f"card-{fact_id(payment_fact(channel, payment_id))[:30]}"


async def open_card_account(
    connection: AsyncConnection, payment: Payment, token_uid: str, *, now: datetime, authorised: int = 0
) -> None:
    """Let the token charge on the payment's account, at once and for an hour, to begin with.

    Args:
        authorised: how far below zero it may go, stored units.

    Raises:
        NotFound: no such station.
        Conflict: the token is somebody's, or stands for another payment that is not used up.
    """
    assert payment.owner is not None, "a payment for a session has an account"
    assert payment.currency is not None, "and a currency"
    operator = await check_place(connection, payment.subject, token_uid, payment.owner, now=now)
    await add_tokens(
        connection,
        [
            Token(
                party=operator,
                type=TokenType.AD_HOC_USER,
                uid=token_uid,
                contract=payment.owner,
                valid_until=now + TOKEN_VALID_FOR,
                whitelist=Whitelist.NEVER,
            )
        ],
    )
    if authorised:
        await set_terms(
            connection,
            [AccountTerms(payment.owner, payment.currency, credit_limit=authorised, when_used_up=WhenUsedUp.STOP)],
        )
        await set_floor(connection, wallet(payment.owner, payment.currency), -authorised)


async def check_place(
    connection: AsyncConnection, station_id: str, token_uid: str, owner: str, *, now: datetime
) -> str:
    """The operator of the station, if the token can charge there for this account. Raises as `open_card_account`."""
    operator = await operator_of(connection, station_id)
    (known,) = await find_tokens(connection, [token_uid])
    if not _is_free(known, owner, now):
        raise Conflict(f"token {token_uid!r} is in use", token=token_uid)
    return operator


async def close_card_account(connection: AsyncConnection, payment: Payment, token_uid: str, *, now: datetime) -> None:
    """The token begins no more charge; one that runs goes on as far as the account reaches."""
    (known,) = await find_tokens(connection, [token_uid])
    if isinstance(known, Holder) and known.token.contract == payment.owner:
        await add_tokens(connection, [replace(known.token, valid=False, valid_until=now)])


async def settle(connection: AsyncConnection, owner: str, *, now: datetime) -> Operation | None:
    """Charging on an authorised account is over: what it owes is asked for, or the authorisation is given up.

    Nothing is done while a charge still runs on it. The answer is the question to the provider, None when there is
    none.
    """
    payment = await store.lock(connection, Payment, owner=owner, state=PaymentState.AUTHORISED.value)
    if payment is None or payment.currency is None or payment.amount is None:
        return None
    account = wallet(owner, payment.currency)
    found = (await balances(connection, [account]))[account]
    if found.debits_pending:
        return None
    await close_card_account(connection, payment, payment.content["token"], now=now)
    owed = Money(max(-found.posted, 0), Currency.of(payment.currency)).to_coin_half_up().amount
    if owed:
        operation = question_about(payment, OperationKind.CAPTURE, now, min(owed, payment.amount))
    else:
        operation = question_about(payment, OperationKind.CANCEL, now)
    return operation if await ask(connection, operation) else None


async def settle_overdue(connection: AsyncConnection, *, now: datetime, limit: int = 100) -> list[Operation]:
    """Authorisations whose token is over and on which nothing runs: nobody charged, or the end was not heard of."""
    asked = []
    for channel, payment_id in await store.authorised_before(connection, now - TOKEN_VALID_FOR, limit):
        payment = await store.find(connection, Payment, channel=channel, id=payment_id)
        if payment is not None and payment.owner is not None:
            asked.append(await settle(connection, payment.owner, now=now))
    return [operation for operation in asked if operation is not None]


async def close_authorisation(connection: AsyncConnection, payment: Payment, *, now: datetime) -> None:
    """The authorisation is captured or gone: no more credit. What no coin is small enough for is rounded away."""
    assert payment.owner is not None, "a payment for a session has an account"
    assert payment.currency is not None, "and a currency"
    account = wallet(payment.owner, payment.currency)
    rest = (await balances(connection, [account]))[account].available
    coin = Currency.of(payment.currency).coin
    if abs(rest) < coin:
        await round_away(connection, payment, rest, payment.fact, now=now)
        rest = 0
    # What is still owed, because less was captured than was charged, keeps its place below zero.
    left = max(-rest, 0)
    await set_terms(connection, [AccountTerms(payment.owner, payment.currency, credit_limit=left)])
    await set_floor(connection, account, -left)


async def round_away(connection: AsyncConnection, payment: Payment, over: int, because: str, *, now: datetime) -> None:
    """What the account has over whole coins is kept, what it lacks is given up; stored units.

    Args:
        because: the fact that leaves it over, which names the posting.
    """
    if not over:
        return
    assert payment.owner is not None, "a payment for a session has an account"
    assert payment.currency is not None, "and a currency"
    account, rounding = wallet(payment.owner, payment.currency), Account(payment.channel, "rounding", payment.currency)
    entry = Transfer(
        fact=f"{because}:rounding",
        debit=account if over > 0 else rounding,
        credit=rounding if over > 0 else account,
        amount=abs(over),
        event_at=now,
        memo="rounding to whole coins",
    )
    await post_one(connection, [entry], now=now)


def _is_free(known: Holder | Missing | Ambiguous[Holder], owner: str, now: datetime) -> bool:
    """Nobody's, or of a payment whose time is over."""
    if isinstance(known, Missing):
        return True
    if isinstance(known, Ambiguous) or known.token.type is not TokenType.AD_HOC_USER:
        return False
    over = known.token.valid_until is not None and known.token.valid_until <= now
    return known.token.contract == owner or over


async def operator_of(connection: AsyncConnection, station_id: str) -> str:
    """Who sells at the station. Raises: NotFound: no such station."""
    (station,) = await find_stations(connection, [station_id])
    if station is None:
        raise NotFound(f"station {station_id[:64]!r} is not registered", station=station_id[:64])
    (site,) = await find_sites(connection, [station.site])
    assert site is not None, "a station has a site"
    return site.operator
