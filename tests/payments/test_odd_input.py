"""Odd input at every intake: a clear error, what came is kept as it came, and what is right beside it is taken."""

import json
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.charging.world import posted
from tests.payments.stripe_server import event, intent, refund
from tests.payments.test_http import headers
from tests.payments.till import TOP_UP as CHECKOUT
from tests.payments.till import Till
from tests.payments.world import HOUSE, NEIGHBOURS, NOW, SENDER, TOP_UP, build, document, prove, won
from wattbook.book.accounts import Account
from wattbook.book.statements import statement
from wattbook.db.engine import Database
from wattbook.kernel.clock import utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX
from wattbook.payments.files import Form, LineReport, import_lines, read_lines
from wattbook.payments.intake import Outcome, Receipt, take_in
from wattbook.payments.providers.stripe_report import FILE_BYTES_MAX, report_of_file, report_rows
from wattbook.payments.quarantine import quarantined
from wattbook.payments.reconciliation import DifferenceKind, reconcile

BOM = b"\xef\xbb\xbf"
MOST = AMOUNT_MAX // 10_000
"""Won that still fit."""


async def take(database: Database, *contents: bytes) -> list[Receipt]:
    async with database.transaction() as connection:
        return await take_in(connection, SENDER, contents, NEIGHBOURS, now=NOW)


async def kept(database: Database) -> set[bytes]:
    async with database.snapshot() as connection:
        return {entry.content for entry in await quarantined(connection, limit=1_000)}


async def balance(database: Database, owner: str, purpose: str = "wallet") -> int:
    async with database.snapshot() as connection:
        return await posted(connection, owner, purpose)


# Documents of senders


ODD = [
    (BOM + document(TOP_UP), "malformed"),
    (b"", "truncated"),
    (b"null", "Expected `object`"),
    (document(TOP_UP, payment_id="P\x001"), "printable"),
    (document(TOP_UP, amount="10\x000"), "printable"),
    (document(TOP_UP, amount="10000000000000000000"), "out of range"),
    (document(TOP_UP, amount=str(MOST + 1)), "out of range"),
    (document(TOP_UP, amount="9e18"), "out of range"),
    (document(TOP_UP, amount="1e-2"), "no whole coin"),
    (document(TOP_UP, amount="1_000"), "no amount"),
    (document(TOP_UP, amount=" 1000"), "no amount"),
    (document(TOP_UP, amount="1,000"), "no amount"),
    (document(TOP_UP, amount="\uff11\uff10\uff10\uff10"), "no amount"),
    (document(TOP_UP, amount="Infinity"), "out of range"),
    (document(TOP_UP, amount="0"), "above zero"),
    (document(TOP_UP, amount="12.345", currency="EUR"), "no whole coin"),
    (document(TOP_UP, amount="12.3450000001", currency="EUR"), "more than 6 decimals"),
    (document(TOP_UP, currency="krw"), "unknown currency"),
    (document(TOP_UP, currency="XAU"), "unknown currency"),
    (document(TOP_UP, paid_at="9999-12-31T23:59:59-14:00"), "beyond the calendar"),
    (document(TOP_UP, paid_at="10000-01-01T00:00:00Z"), "no time of RFC 3339"),
    (document(HOUSE, kwh="7_0"), "no amount"),
]


async def test_odd_documents_are_told_apart_and_kept_as_they_came(database: Database) -> None:
    await build(database)
    *odd, good = await take(database, *(content for content, _ in ODD), document(TOP_UP, payment_id="P-77"))
    for receipt, (content, words) in zip(odd, ODD, strict=True):
        assert receipt.error is not None, content
        with pytest.raises(InvalidInput, match=f"(?i){words}"):
            raise receipt.error
    assert good.outcome is Outcome.TAKEN
    assert await kept(database) == {content for content, _ in ODD}
    assert await balance(database, "kim") == won(10_000).amount
    await prove(database)


@pytest.mark.parametrize("amount", ["1E+4", "10000.0", "010000"])
async def test_an_amount_may_be_written_in_several_ways_and_is_the_same(database: Database, amount: str) -> None:
    await build(database)
    taken, known = await take(database, document(TOP_UP), document(TOP_UP, amount=amount))
    assert (taken.outcome, known.outcome) == (Outcome.TAKEN, Outcome.KNOWN)


async def test_a_payment_of_the_future_is_booked_by_our_clock_and_one_of_long_ago_by_its_own(
    database: Database,
) -> None:
    await build(database)
    receipts = await take(
        database,
        document(TOP_UP, paid_at="2099-01-01T00:00:00Z"),
        document(TOP_UP, payment_id="P-2", paid_at="0001-01-01T00:00:00Z"),
    )
    assert [receipt.outcome for receipt in receipts] == [Outcome.TAKEN, Outcome.TAKEN]
    async with database.snapshot() as connection:
        wallet = Account("kim", "wallet", "KRW")
        lines = (await statement(connection, wallet, NOW, NOW.replace(year=2027))).lines
    assert sorted(line.event_at for line in lines) == [datetime(1, 1, 1, tzinfo=UTC), NOW]
    await prove(database)


async def test_amounts_that_fit_but_do_not_add_up_are_refused_and_lose_nothing(database: Database) -> None:
    await build(database)
    first, second, third = await take(
        database,
        document(TOP_UP, amount=str(MOST)),
        document(TOP_UP, payment_id="P-2", amount=str(MOST)),
        document(TOP_UP, payment_id="P-3", customer="park"),
    )
    assert first.outcome is Outcome.TAKEN
    for receipt in (second, third):  # the second does not fit the wallet, the third not the sender's takings
        assert receipt.error is not None
        assert receipt.error.code == "refused"
    assert len(await kept(database)) == 2
    await prove(database)


async def test_a_header_that_comes_twice_is_no_way_in(database: Database) -> None:
    key = await build(database)
    body = document(TOP_UP)
    signed = headers(key, body)
    forged = {"Wattbook-Sender": SENDER, "Wattbook-Signature": "t=1,v1=00"}
    async with (
        listening(application(database)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        for pairs in ([*forged.items(), *signed.items()], [*signed.items(), *forged.items()]):
            answer = await client.post("/intake/v1/payments", content=body, headers=httpx.Headers(pairs))
            assert answer.status_code in (200, 201, 403)
        empty = await client.post("/intake/v1/payments", content=b"", headers=headers(key, b""))
        assert (empty.status_code, empty.json()["code"]) == (422, "invalid-input")
    assert await balance(database, "kim") in (0, won(10_000).amount)


# What operators enter


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        ("10000000000000000000", "KRW", "out of range"),
        ("1e400", "KRW", "out of range"),
        ("0.5", "KRW", "no whole coin"),
        ("1.00000001", "EUR", "more than 6 decimals"),
        ("NaN", "KRW", "out of range"),
        ("1", "XXX", "unknown currency"),
        ("1\x00", "KRW", "not a number"),
    ],
)
async def test_an_operator_is_told_what_is_wrong_with_an_amount(
    database: Database, amount: str, currency: str, words: str
) -> None:
    await build(database)
    async with (
        listening(application(database)) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as client,
    ):
        for path in ("/wallets/kim/top-ups", f"/senders/{SENDER}/payouts"):
            told = await client.post(path, json={"amount": amount, "currency": currency, "reference": "r"})
            assert (told.status_code, told.json()["code"]) == (422, "invalid-input")
            assert words in told.json()["message"]
    assert await balance(database, "kim") == 0


# Files


COLUMNS = b"payment_id,purpose,customer,amount,currency,paid_at"
ROW = b"%s,top-up,kim,1000,KRW,2026-11-20T10:00:00+09:00"


async def imported(database: Database, content: bytes, form: Form) -> list[LineReport]:
    lines = read_lines(content, form)
    dry = await import_lines(database, SENDER, lines, NEIGHBOURS, now=NOW, dry_run=True)
    assert await kept(database) == set()
    done = await import_lines(database, SENDER, lines, NEIGHBOURS, now=NOW, dry_run=False)
    assert done == dry
    await prove(database)
    return done


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=repr)
@pytest.mark.parametrize("mark", [b"", BOM], ids=["plain", "bom"])
async def test_a_csv_file_of_any_system_is_read_and_its_lines_are_counted(
    database: Database, end: bytes, mark: bytes
) -> None:
    await build(database)
    content = mark + end.join([COLUMNS, ROW % b"F-1", b"", ROW % b"F\x00-2", ROW % b"F-3", ROW % b'"F-4'])
    done = await imported(database, content, Form.CSV)
    assert [(report.number, report.code) for report in done] == [
        (2, None),
        (4, "invalid-input"),
        (5, None),
        (6, "invalid-input"),
    ]
    assert await balance(database, "kim") == won(2_000).amount
    assert [b"F-4" in entry for entry in sorted(await kept(database))].count(True) == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=repr)
@pytest.mark.parametrize("mark", [b"", BOM], ids=["plain", "bom"])
async def test_json_lines_of_any_system_are_read_and_counted(database: Database, end: bytes, mark: bytes) -> None:
    await build(database)
    content = mark + end.join([document(TOP_UP), b"", b"{", document(TOP_UP, payment_id="P-2"), b"\x00", b""])
    done = await imported(database, content, Form.JSON_LINES)
    assert [(report.number, report.code) for report in done] == [
        (1, None),
        (3, "invalid-input"),
        (4, None),
        (5, "invalid-input"),
    ]
    assert {entry.strip() for entry in await kept(database)} == {b"{", b"\x00"}


def test_what_a_broken_quote_swallows_is_kept_also_beside_odd_separators() -> None:
    odd = "top\u2028up\x0bkim\x1c"
    content = f'payment_id,purpose\nF-1,{odd}\nF-2,{odd}\n"F-3,top-up\nF-4,top-up\n'.encode()
    *_, broken = read_lines(content, Form.CSV)
    assert broken.number == 4
    assert all(f"F-{n}".encode() in broken.content for n in (3, 4))
    assert b"F-2" not in broken.content


@pytest.mark.parametrize(
    "content",
    [
        COLUMNS + b",amount\n",
        COLUMNS.replace(b",", b";") + b"\n",
        COLUMNS.decode().encode("utf-16"),
        BOM,
        b"\n" + COLUMNS,
        b"\x00",
    ],
    ids=["a column twice", "semicolons", "utf-16", "only a mark", "an empty line first", "nul"],
)
def test_a_csv_file_without_its_line_of_names_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"first line names the columns|not UTF-8"):
        read_lines(content, Form.CSV)


@pytest.mark.parametrize("content", [b"", b"\n\r\n", BOM])
def test_a_file_of_json_lines_may_be_empty(content: bytes) -> None:
    assert read_lines(content, Form.JSON_LINES) == []


def test_an_empty_csv_file_has_a_line_of_names_only() -> None:
    assert read_lines(BOM + COLUMNS + b"\r\n", Form.CSV) == []


# Events of a provider


def _odd_events(reference: str) -> list[tuple[bytes, int]]:
    at = NOW
    paid = intent(reference, "T-1", 10_000)
    return [
        (b"", 422),
        (b"[" * 100_000, 422),
        (event("payment_intent.succeeded", paid | {"amount_received": 10**19}, at), 422),
        (event("payment_intent.succeeded", paid | {"amount_received": "ten"}, at), 422),
        (event("payment_intent.succeeded", paid | {"amount_received": 10_000.5}, at), 422),
        (event("payment_intent.succeeded", paid | {"currency": "xau"}, at), 422),
        (event("payment_intent.succeeded", paid | {"id": "pi\x00"}, at), 422),
        (event("payment_intent.succeeded", paid | {"metadata": {"wattbook": "T\x00"}}, at), 422),
        (event("payment_intent.succeeded", paid, at, "evt\x00"), 422),
        (event("payment_intent.succeeded", paid, at, "e" * 256), 422),
        (event("payment_intent.succeeded", paid, at).replace(b'"created": ', b'"created": 9999999999999'), 422),
        (event("refund.updated", refund("re\x00", reference, 1), at), 422),
        (event("payment_intent.succeeded", paid | {"amount_received": 0}, at), 200),
    ]


async def test_odd_events_are_told_and_kept_and_the_right_one_is_applied_after_them(till: Till) -> None:
    await till.begin(CHECKOUT)
    reference = (await till.payment("T-1")).reference
    assert reference is not None
    odd = _odd_events(reference)
    for body, status in odd:
        told = await till.push(body)
        assert told.status_code == status, (body[:200], told.text)
        assert status != 200 or told.json() == {"outcome": "refused"}
    assert await kept(till.database) == {body for body, _ in odd}
    assert await till.balance("kim") == 0
    future = event("payment_intent.succeeded", intent(reference, "T-1", 10_000), datetime(2099, 1, 1, tzinfo=UTC))
    assert (await till.push(future)).json() == {"outcome": "applied"}
    assert await till.balance("kim") == won(10_000).amount
    await prove(till.database)


# Reports of a provider


CHARGE: dict[str, Any] = {
    "id": "txn_1",
    "type": "charge",
    "amount": 500,
    "fee": 15,
    "currency": "krw",
    "created": int(NOW.timestamp()),
    "source": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"},
}
ODD_ROWS = [
    CHARGE | {"id": "t1", "amount": 10**19},
    CHARGE | {"id": "t2", "amount": "500"},
    CHARGE | {"id": "t3", "amount": 5.5},
    CHARGE | {"id": "t4", "fee": True},
    CHARGE | {"id": "t5", "currency": "xau"},
    CHARGE | {"id": "t6", "source": {"id": "ch\x00"}},
    CHARGE | {"id": "t\x007"},
    CHARGE | {"id": ""},
    CHARGE | {"id": "t9", "type": None},
    CHARGE | {"id": "t10", "source": [1]},
    CHARGE | {"id": "t11", "source": {"object": "refund", "charge": "ch_9"}, "amount": 10**30},
    [CHARGE],
    None,
]


async def test_odd_rows_of_a_report_are_named_and_kept_and_the_others_compared(database: Database) -> None:
    await build(database)
    report = report_rows([*ODD_ROWS, CHARGE], NOW.date())
    assert [row.id for row in report.rows] == ["txn_1"]
    assert len(report.unread) == len(ODD_ROWS)
    for _ in range(2):
        async with database.transaction() as connection:
            result = await reconcile(connection, "stripe", NOW.date(), report, now=NOW)
        kinds = [difference.kind for difference in result.differences]
        assert kinds == [DifferenceKind.UNREADABLE] * len(ODD_ROWS) + [DifferenceKind.UNKNOWN_HERE]
        assert (result.rows, result.fees) == (len(ODD_ROWS) + 1, {"KRW": won(15).amount})
    assert await kept(database) == {json.dumps(row).encode() for row in ODD_ROWS}
    async with database.snapshot() as connection:
        assert {(entry.source, entry.times) for entry in await quarantined(connection)} == {("report", 2)}
    await prove(database)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=repr)
def test_a_saved_report_of_any_system_is_read_and_its_odd_lines_are_named(end: bytes) -> None:
    far = CHARGE | {"created": 10**18}
    lines = [json.dumps(CHARGE).encode(), b"", b"\x00", b"{", b"[" * 100_000, json.dumps(far).encode(), b"\xff\xfe"]
    report = report_of_file(BOM + end.join(lines), NOW.date())
    assert [row.id for row in report.rows] == ["txn_1"]
    assert [row.reference for row in report.unread] == [f"line {n}" for n in (3, 4, 5, 6, 7)]
    assert [row.content for row in report.unread] == lines[2:]
    assert report_of_file(b"", NOW.date()).rows == []
    assert report_of_file(json.dumps(CHARGE).encode(), date(2026, 1, 1)).rows == []


def test_a_report_too_large_is_refused_as_a_whole() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        report_of_file(b" " * (FILE_BYTES_MAX + 1), utc(NOW).date())
