"""Documents over HTTP and from the command line, on a real port and a real process."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import facturx
import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.billing.market import DEBTOR, LATER, PREPAID, charge, invoiced, one_after_another
from tests.charging.world import US
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.errors import InvalidInput


@pytest.fixture
async def client(market: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER, PREPAID], ["10", "4", "2"]))
    settings = Settings(time_zone="Europe/Berlin", currency="EUR")
    async with (
        listening(application(market, settings)) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as opened,
    ):
        yield opened


async def test_documents_are_listed_shown_drawn_and_taken_back(client: httpx.AsyncClient, market: Database) -> None:
    kim, lee, park = await invoiced(market)
    page = (await client.get("/documents", params={"limit": 2})).json()
    assert [each["number"] for each in page["documents"]] == [kim.number, lee.number]
    rest = (await client.get("/documents", params={"after": page["next"]})).json()
    assert [each["number"] for each in rest["documents"]] == [park.number]
    shown = (await client.get(f"/documents/{lee.number}")).json()
    assert (shown["total"], shown["due"], shown["lines"][1]["kwh"]) == ("3.17", "3.17", "4")
    assert shown["lines"][1]["source"].startswith(f"cdr:{US}*")
    pdf = await client.get(f"/documents/{lee.number}/pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert facturx.get_facturx_xml_from_pdf(pdf.content)[0] == "factur-x.xml"
    at_once = await asyncio.gather(*(client.get(f"/documents/{each.number}/pdf") for each in (kim, lee, park)))
    assert [facturx.get_facturx_xml_from_pdf(each.content)[0] for each in at_once] == ["factur-x.xml"] * 3
    note = await client.post(f"/documents/{lee.number}/credit-notes", json={"reason": "goodwill", "positions": [1]})
    assert (note.status_code, note.json()["total"]) == (201, "-0.35")
    again = await client.post(f"/documents/{lee.number}/credit-notes", json={"reason": "goodwill", "positions": [1]})
    assert again.status_code == 409
    items = (await client.get("/open-items")).json()["items"]
    assert [(each["debtor"], each["open"]) for each in items] == [(DEBTOR, "7.41"), (LATER, "2.82")]
    assert (await client.get("/documents/LN-2026-I000099")).status_code == 404
    earned = (await client.get("/revenue", params={"first": "2026-11-01", "last": "2026-11-30", "by": "rate"})).json()
    assert [(each["key"], each["documents"]) for each in earned["revenue"]] == [("19", 3), (None, 4)]


async def test_a_partys_name_is_checked_and_changed(client: httpx.AsyncClient) -> None:
    named = {"name": "Anna Lee", "city": "Kiel", "country": "DE"}
    assert (await client.put(f"/recipients/{LATER}", json=named)).status_code == 200
    refused = await client.put(f"/recipients/{LATER}", json=named | {"country": "Germany"})
    assert refused.status_code == 422
    assert "ISO 3166-1" in refused.text
    issuer = {"name": "Ladenetz", "country": "DE", "prefix": "LN", "vat_id": "DE136695976", "account": "DE00"}
    assert "IBAN" in (await client.put(f"/issuers/{US}", json=issuer)).text


NONSENSE: list[tuple[str, str, dict[str, str] | None, int]] = [
    ("POST", "/documents/%00/credit-notes", {"reason": "so"}, 404),
    ("GET", "/documents/%00/pdf", None, 404),
    ("POST", "/cdrs/none/receipt", None, 404),
    ("POST", "/cdrs/%00/receipt", None, 404),
    ("PUT", "/recipients/%00", {"name": "A", "country": "DE"}, 422),
    ("PUT", "/recipients/a", {"name": "A\x00", "country": "DE"}, 422),
    ("POST", "/statements", {"partner": "a\x00", "currency": "EUR", "month": "2026-10"}, 422),
    ("POST", "/statements", {"partner": "a", "currency": "XAU", "month": "2026-10"}, 422),
    ("POST", "/statements", {"partner": "a", "currency": "EUR", "month": "0000-01"}, 422),
    ("POST", "/statements", {"partner": "a", "currency": "EUR", "month": "9999-12"}, 422),
    ("GET", "/documents?after=%00", None, 422),
    ("GET", "/revenue?first=2026-11-01&last=0001-01-01", None, 200),
    ("POST", "/statements", {"partner": "a", "currency": "EUR", "month": "0001-01"}, 422),
    ("POST", "/statements", {"partner": "a" * 200, "currency": "EUR", "month": "2026-10"}, 422),
]


async def test_what_cannot_be_is_told(client: httpx.AsyncClient) -> None:
    for method, path, body, status in NONSENSE:
        told = await client.request(method, path, json=body)
        assert told.status_code == status, (path, told.text)


def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"WATTBOOK_DATABASE_URL": url, "WATTBOOK_TIME_ZONE": "Europe/Berlin"}
    return subprocess.run(
        [sys.executable, "-m", "wattbook", "invoices", *arguments], capture_output=True, text=True, env=environment
    )


def invoices_in(folder: Path) -> list[Path]:
    """By number, which names the year in which they were issued."""
    return sorted(folder.glob("LN-*-I00000?.pdf"))


async def test_a_month_is_invoiced_by_one_command(market: Database, database_url: str, tmp_path: Path) -> None:
    async with market.transaction() as connection:
        await charge(connection, one_after_another([DEBTOR, LATER] * 10, ["3.5"] * 20))
    # 3.5 kWh: 2.07375 → 2.07, ten times, 19 % of 20.70 → 3.93, and ten times 0.35
    looked_at = command(database_url, "run", "--period", "2026-10", "--dry-run")
    assert looked_at.stdout == "2 invoices would be issued: 56.26 EUR\n", looked_at.stderr
    issued = command(database_url, "run", "--period", "2026-10", "--pdf", str(tmp_path))
    assert issued.stdout == "2 invoices issued: 56.26 EUR\n"
    first, second = invoices_in(tmp_path)
    assert first.read_bytes().startswith(b"%PDF")
    shown = command(database_url, "show", second.stem, "--xml", str(tmp_path / "e.xml"))
    assert json.loads(shown.stdout)["recipient"] == LATER
    assert second.stem in (tmp_path / "e.xml").read_text()
    drawn, written_at = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()  # or it was never written: the process was gone between the invoice and its page
    assert command(database_url, "run", "--period", "2026-10", "--pdf", str(tmp_path)).stdout == "0 invoices issued\n"
    assert abs(len(first.read_bytes()) - len(drawn)) < 100
    assert second.stat().st_mtime_ns == written_at
    assert "C000001: -28.13 EUR" in command(database_url, "credit", first.stem, "--reason", "goodwill").stdout
    wrong = command(database_url, "run", "--period", "October")
    assert (wrong.returncode, "2026-10 is needed" in wrong.stderr) == (2, True)


def test_an_issuer_without_a_tax_number_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "issuer.json"
    file.write_text(json.dumps({"id": US, "name": "Ladenetz", "country": "DE", "prefix": "LN"}))
    refused = command(database_url, "issuer", str(file))
    assert (refused.returncode, "VAT id or a tax number" in refused.stderr) == (2, True)
    assert InvalidInput.__name__ not in refused.stderr
