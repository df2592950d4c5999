"""Payments that senders tell of: taken in once, taken back once, and what is wrong is told and kept."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.charging.world import HOUR, posted
from tests.payments.world import HOUSE, INVOICE, NEIGHBOURS, NOW, SENDER, SESSION, TOP_UP, build, document, prove, won
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import payments_of_households
from wattbook.household.paid.payments import PaymentState
from wattbook.kernel.errors import InvalidInput
from wattbook.payments.files import Form, import_lines, read_lines
from wattbook.payments.intake import Outcome, Receipt, standing, take_in
from wattbook.payments.quarantine import Quarantined, quarantined
from wattbook.payments.senders import NotSigned, block_sender, renew_key, sign, verify
from wattbook.payments.wallets import give_back


async def take(database: Database, *contents: bytes) -> list[Receipt]:
    async with database.transaction() as connection:
        return await take_in(connection, SENDER, contents, NEIGHBOURS, now=NOW)


async def kept(database: Database) -> list[Quarantined]:
    async with database.snapshot() as connection:
        return await quarantined(connection)


async def balance(database: Database, owner: str, purpose: str = "wallet") -> int:
    async with database.snapshot() as connection:
        return await posted(connection, owner, purpose)


async def test_a_top_up_is_the_customers_once_however_often_it_is_told(database: Database) -> None:
    await build(database)
    first, again = await take(database, document(TOP_UP), document(TOP_UP))
    assert (first.outcome, again.outcome) == (Outcome.TAKEN, Outcome.KNOWN)
    (later,) = await take(database, document(TOP_UP))
    assert later.outcome is Outcome.KNOWN
    assert await balance(database, "kim") == won(10_000).amount
    assert await balance(database, SENDER, "clearing") == won(10_000).amount
    await prove(database)


async def test_the_same_id_with_another_content_is_a_conflict_that_is_kept(database: Database) -> None:
    await build(database)
    _, other = await take(database, document(TOP_UP), document(TOP_UP, amount="9000"))
    assert other.outcome is Outcome.REFUSED
    assert other.error is not None
    assert "amount 100000000 against 90000000" in other.error.message
    assert [(entry.code, json.loads(entry.content)["amount"]) for entry in await kept(database)] == [
        ("conflict", "9000")
    ]
    assert await balance(database, "kim") == won(10_000).amount
    await prove(database)


@pytest.mark.parametrize("known", [TOP_UP, SESSION, INVOICE, HOUSE], ids=lambda known: str(known["purpose"]))
async def test_a_withdrawal_takes_it_back_also_when_it_overtakes_the_payment(
    database: Database, known: dict[str, Any]
) -> None:
    await build(database)
    withdrawn = document(known, status="withdrawn")
    there_and_back = await take(database, document(known), withdrawn, withdrawn, document(known))
    assert [receipt.outcome for receipt in there_and_back] == [
        Outcome.TAKEN,
        Outcome.WITHDRAWN,
        Outcome.KNOWN,
        Outcome.KNOWN,
    ]
    late = known | {"payment_id": "P-9"} | ({"token": "CARD-78"} if "token" in known else {})
    overtaken = await take(database, document(late, status="withdrawn"), document(late))
    assert [receipt.outcome for receipt in overtaken] == [Outcome.WITHDRAWN, Outcome.KNOWN]
    assert await balance(database, SENDER, "clearing") == 0
    await prove(database)


async def test_what_was_spent_before_it_was_withdrawn_is_owed(database: Database) -> None:
    await build(database)
    await take(database, document(TOP_UP))
    async with database.transaction() as connection:
        await give_back(connection, "kim", won(4_000), "cash", now=NOW)
    (receipt,) = await take(database, document(TOP_UP, status="withdrawn"))
    assert receipt.outcome is Outcome.WITHDRAWN
    assert await balance(database, "kim", "receivable") == won(10_000).amount
    assert await balance(database, "kim") == won(6_000).amount
    await prove(database)


async def test_an_invoice_is_paid_by_its_number(database: Database) -> None:
    await build(database)
    paid, unknown = await take(database, document(INVOICE), document(INVOICE, payment_id="P-8", invoice="2026-00009"))
    assert (paid.outcome, paid.owner) == (Outcome.TAKEN, "lee")
    assert unknown.error is not None
    assert unknown.error.code == "not-found"
    assert await balance(database, "lee", "receivable") == -won(3_300).amount
    await prove(database)


async def test_charging_at_a_house_is_handed_on_to_its_bill(database: Database) -> None:
    await build(database)
    taken, stranger = await take(database, document(HOUSE), document(HOUSE, payment_id="P-5", household="house-9"))
    assert (taken.outcome, taken.owner) == (Outcome.TAKEN, "house-1")
    assert stranger.error is not None
    assert stranger.error.code == "not-found"
    async with database.snapshot() as connection:
        ((payment, _),) = await payments_of_households(connection, ["house-1"])
    assert (payment.server, payment.energy_mwh, payment.state) == (SENDER, 7_250_000, PaymentState.PAID)
    assert [entry.code for entry in await kept(database)] == ["not-found"]


async def test_the_rest_of_a_payment_for_a_session_is_returned_once_and_never_more_than_is_left(
    database: Database,
) -> None:
    await build(database)
    returned = document(SESSION, status="returned", returned="15000")
    receipts = await take(
        database,
        document(SESSION),
        document(SESSION, status="returned", returned="20001"),
        returned,
        returned,
        document(SESSION, status="returned", returned="100"),
        document(SESSION, status="withdrawn"),
    )
    assert [receipt.outcome for receipt in receipts] == [
        Outcome.TAKEN,
        Outcome.REFUSED,
        Outcome.RETURNED,
        Outcome.KNOWN,
        Outcome.REFUSED,
        Outcome.REFUSED,
    ]
    async with database.snapshot() as connection:
        assert (await standing(connection, SENDER, "P-2")).left == won(5_000)
    await prove(database)


async def test_a_token_in_use_opens_no_second_account(database: Database) -> None:
    await build(database)
    receipts = await take(
        database,
        document(SESSION),
        document(SESSION, payment_id="P-6"),
        document(SESSION, payment_id="P-7", token="T-kim"),
        document(SESSION, payment_id="P-8", token="CARD-79", station="CP9"),
    )
    codes = [receipt.error.code if receipt.error else None for receipt in receipts]
    assert codes == [None, "conflict", "conflict", "not-found"]
    await prove(database)


BAD = [
    (b"\xff\xfe", "Input data was truncated|malformed|invalid"),
    (b"[]", "Expected `object`"),
    (b"{" * 5000, "malformed|recursion|truncated|expected"),
    (document(TOP_UP, amount=None), "needs amount"),
    (document(TOP_UP, amount=12), "Expected `str"),
    (document(TOP_UP, amount="ten"), "no amount"),
    (document(TOP_UP, amount="NaN"), "not a number|out of range"),
    (document(TOP_UP, amount="1e400"), "out of range"),
    (document(TOP_UP, amount="-5"), "above zero"),
    (document(TOP_UP, amount="0.5"), "no whole coin"),
    (document(TOP_UP, currency="XXX"), "unknown currency"),
    (document(TOP_UP, paid_at="2026-11-21T20:30:00"), "no offset"),
    (document(TOP_UP, paid_at="yesterday"), "no time of RFC 3339"),
    (document(TOP_UP, payment_id=""), "payment_id is 1 to 64"),
    (document(TOP_UP, payment_id="x" * 65), "payment_id is 1 to 64"),
    (document(TOP_UP, purpose="gift"), "Invalid enum value"),
    (document(TOP_UP, colour="red"), "unknown field"),
    (document(TOP_UP)[:-1] + b', "a\\u0000b": 1}', "unknown field"),
    (document(TOP_UP, payment_id="P-5").replace(b"P-5", b"\\ud800"), "surrogate|malformed|unicode|printable"),
    (document(TOP_UP).replace(b"kim", b"\xc3\x28"), "utf-8"),
    (document(TOP_UP, station="CP1"), "has no station"),
    (document(TOP_UP, status="returned"), "go together"),
    (document(TOP_UP, customer="k\u0000m"), "printable"),
    (document(HOUSE, meter="M-house-1"), "either a household or a meter"),
    (document(HOUSE, kwh="0.0000001"), "more than 6 decimals"),
    (document(HOUSE, ended_at="2026-09-01T03:00:00+09:00"), "not after its start"),
]


async def test_what_is_wrong_is_told_and_kept_and_what_is_right_beside_it_is_taken(database: Database) -> None:
    await build(database)
    *bad, good = await take(database, *(content for content, _ in BAD), document(TOP_UP, payment_id="P-77"))
    for receipt, (_, words) in zip(bad, BAD, strict=True):
        assert receipt.error is not None
        with pytest.raises(type(receipt.error), match=f"(?i){words}"):
            raise receipt.error
    assert good.outcome is Outcome.TAKEN
    entries = await kept(database)
    assert {(entry.channel, entry.source, entry.times) for entry in entries} == {(SENDER, "http", 1)}
    assert {entry.content for entry in entries} == {content for content, _ in BAD}
    await take(database, BAD[0][0])
    assert {entry.content: entry.times for entry in await kept(database)}[BAD[0][0]] == 2
    await prove(database)


async def test_only_a_fresh_signature_of_a_valid_key_of_this_sender_counts(database: Database) -> None:
    key = await build(database)
    body = document(TOP_UP)
    async with database.transaction() as connection:
        await verify(connection, SENDER, sign(key, SENDER, body, NOW), body, now=NOW + timedelta(minutes=5))
        for header, sent, at in (
            (sign(key, SENDER, body, NOW), body + b" ", NOW),
            (sign(b"other", SENDER, body, NOW), body, NOW),
            (sign(key, "till.other", body, NOW), body, NOW),
            (sign(key, SENDER, body, NOW), body, NOW + timedelta(minutes=5, seconds=1)),
            (sign(key, SENDER, body, NOW + timedelta(minutes=6)), body, NOW),
            ("", body, NOW),
            ("t=1,t=2,v1=00", body, NOW),
            ("t=99999999999999999999,v1=00", body, NOW),
        ):
            with pytest.raises(NotSigned):
                await verify(connection, SENDER, header, sent, now=at)


async def test_an_old_key_ends_after_its_time_and_a_blocked_sender_at_once(database: Database) -> None:
    old = await build(database)
    async with database.transaction() as connection:
        new = bytes.fromhex(await renew_key(connection, SENDER, now=NOW, old_valid_for=HOUR))
        for key in (old, new):
            await verify(connection, SENDER, sign(key, SENDER, b"", NOW), b"", now=NOW)
        later = NOW + 2 * HOUR
        both = f"{sign(old, SENDER, b'', later)},{sign(new, SENDER, b'', later).partition(',')[2]}"
        await verify(connection, SENDER, both, b"", now=later)
        with pytest.raises(NotSigned):
            await verify(connection, SENDER, sign(old, SENDER, b"", later), b"", now=later)
        await block_sender(connection, SENDER)
        with pytest.raises(NotSigned):
            await verify(connection, SENDER, sign(new, SENDER, b"", later), b"", now=later)


CSV = (
    "payment_id,purpose,customer,amount,currency,paid_at\n"
    "F-1,top-up,kim,1000,KRW,2026-11-20T10:00:00+09:00\n"
    "F-2,top-up,nobody,1000,KRW,2026-11-20T10:00:00+09:00\n"
    "\n"
    "F-3,top-up,kim,1000\n"
    '"F-4",top-up,park,2000,KRW,2026-11-20T10:00:00+09:00\n'
    "F-1,top-up,kim,1000,KRW,2026-11-20T10:00:00+09:00\n"
)


@pytest.mark.parametrize("form", Form)
async def test_a_file_is_reported_line_by_line_and_a_dry_run_says_the_same_and_does_nothing(
    database: Database, form: Form
) -> None:
    await build(database)
    content = CSV.encode()
    if form is Form.JSON_LINES:
        content = b"\n".join(line.content for line in read_lines(content, Form.CSV))
    lines = read_lines(content, form)
    dry = await import_lines(database, SENDER, lines, NEIGHBOURS, now=NOW, dry_run=True)
    assert await kept(database) == []
    assert await balance(database, "kim") == 0
    done = await import_lines(database, SENDER, lines, NEIGHBOURS, now=NOW, dry_run=False)
    assert done == dry
    assert [(report.outcome, report.code) for report in done] == [
        (Outcome.TAKEN, None),
        (Outcome.REFUSED, "not-found"),
        (Outcome.REFUSED, "invalid-input"),
        (Outcome.TAKEN, None),
        (Outcome.KNOWN, None),
    ]
    if form is Form.CSV:
        assert [report.number for report in done] == [2, 3, 5, 6, 7]
    assert sorted(entry.code for entry in await kept(database)) == ["invalid-input", "not-found"]
    again = await import_lines(database, SENDER, lines, NEIGHBOURS, now=NOW, dry_run=False)
    assert [report.outcome for report in again if report.code is None] == [Outcome.KNOWN] * 3
    assert await balance(database, "kim") == won(1_000).amount
    await prove(database)


def test_a_quote_that_never_ends_loses_no_line() -> None:
    lines = read_lines(b'payment_id,purpose\n"F-1,top-up\nF-2,top-up\n', Form.CSV)
    assert len(lines) == 1
    assert b"F-1" in lines[0].content
    assert b"F-2" in lines[0].content


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"payment_id,payment_id\n", b"\xff\xfe\n"])
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_lines(content, Form.CSV)
