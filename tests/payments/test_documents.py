"""What docs/payments.md tells senders is so."""

import json
import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.server import listening
from tests.charging.world import posted
from tests.payments.world import SENDER, TOP_UP, build, document, won
from wattbook.api.application import mount_api
from wattbook.api.services import Services
from wattbook.book.audit import Proof, audit
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.payments.documents import PaymentDocument, read
from wattbook.payments.senders import sign

PAGE = (Path(__file__).parents[2] / "docs" / "payments.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_worked_example_of_a_signature_is_right() -> None:
    said = dict(line.split(maxsplit=1) for line in block("text").splitlines())
    body = said["body"].encode()
    at = datetime.fromtimestamp(int(said["t"]), UTC)
    assert sign(bytes.fromhex(said["key"]), said["sender"], body, at) == said["signature"]
    assert read(body).id == "P-1"


async def test_the_sender_of_the_page_gets_its_payment_in(database: Database, tmp_path: Path) -> None:
    async def proof() -> Proof:
        async with database.snapshot() as connection:
            return await audit(connection)

    key = (await build(database)).hex()
    (tmp_path / "sender.py").write_text(block("python"))
    (tmp_path / "payment.json").write_bytes(document(TOP_UP))
    app = FastAPI()
    mount_api(app, Services(database, Settings(), system_clock, proof))
    async with listening(app) as url:
        process = await create_subprocess_exec(
            *(sys.executable, "sender.py", url, SENDER, key, "payment.json"), cwd=tmp_path, stdout=PIPE
        )
        told, _ = await process.communicate()
    status, _, answer = told.decode().partition(" ")
    assert (status, json.loads(answer)["outcome"]) == ("201", "taken")
    async with database.snapshot() as connection:
        assert await posted(connection, "kim", "wallet") == won(10_000).amount


@pytest.mark.parametrize("name", PaymentDocument.__struct_fields__)
def test_the_page_names_every_field(name: str) -> None:
    assert f"`{name}`" in PAGE
