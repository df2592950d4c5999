"""Settlement statements: how an account between us and a partner, supplier, fleet or customer went over a period.

It is taken from the book as it stands: the balance before, each movement with the fact that caused it, the balance
after. What they owe us and what we owe them stand on one page; a positive balance is in our favour. Each movement is
shown in whole coins; a line of rounding says what that hides.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.billing import store
from wattbook.billing.documents import Document, Kind, Line, to_coin
from wattbook.billing.issuing import issue
from wattbook.billing.registers import find_issuer, find_recipients
from wattbook.billing.run import Period
from wattbook.book.accounts import Account
from wattbook.book.statements import LINES_MAX, Statement, statement
from wattbook.book.transfers import fact_id
from wattbook.kernel.errors import InvalidInput, LimitExceeded
from wattbook.payments.wallets import checked_owner

SIDES = (("receivable", 1), ("payable", -1))


async def settlement_statement(
    connection: AsyncConnection, issuer: str, partner: str, currency: str, period: Period, *, now: datetime
) -> Document:
    """The statement of a period that has ended; asked for again, the one that was issued.

    Raises:
        InvalidInput: the period has not ended, or nobody can have this name.
        NotFound: the issuer has no legal name and address on record.
        LimitExceeded: more than 10,000 movements: a shorter period is needed.
    """
    if now < period.end:
        raise InvalidInput(f"the period runs until {period.last}: its statement can be issued after that")
    checked_owner(partner)
    seller = await find_issuer(connection, issuer)
    fact = f"statement:{issuer}:{partner}:{currency}:{period.first}:{period.last}"
    known = await store.find(connection, "id", [fact_id(fact)])
    if known:
        return known[0]
    sides = [
        (sign, await statement(connection, Account(partner, purpose, currency), period.start, period.end))
        for purpose, sign in SIDES
    ]
    if sum(len(side.lines) for _, side in sides) >= LINES_MAX:
        raise LimitExceeded(f"a statement has fewer than {LINES_MAX} movements: ask for a shorter period")
    recipient, language = (await find_recipients(connection, [partner], country=seller.country))[partner]
    opening = to_coin(sum(sign * side.opening for sign, side in sides), currency)
    closing = to_coin(sum(sign * side.closing for sign, side in sides), currency)
    lines = [line for sign, side in sides for line in _lines(side, sign, currency)]
    left = closing - opening - sum(line.net for line in lines)
    if left:
        lines.append(Line(source=fact, group=fact_id(fact), product="rounding", net=left, exact_net=0))
    draft = Document(
        id=fact_id(fact),
        number="",
        kind=Kind.STATEMENT,
        issuer=seller,
        recipient=recipient,
        language=language,
        currency=currency,
        issued_on=now.astimezone(period.zone).date(),
        first_day=period.first,
        last_day=period.last,
        due_on=None,
        lines=tuple(lines),
        taxes=(),
        net=closing,
        tax=0,
        total=closing,
        opening=opening,
    )
    (issued,) = await issue(connection, [(draft, ())], now=now)
    return issued


def _lines(side: Statement, sign: int, currency: str) -> list[Line]:
    return [
        Line(
            source=line.fact,
            group=fact_id(line.fact),
            product=side.account.purpose,
            ended_at=line.event_at,
            net=to_coin(sign * line.amount, currency),
            exact_net=sign * line.amount,
            text=line.memo or line.fact,
        )
        for line in side.lines
    ]
