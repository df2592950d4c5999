"""A database that keeps a gateway waiting longer than it waits: what it does round by round goes on afterwards."""

import asyncio
from contextlib import AsyncExitStack, suppress

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from tests.ocpp.commands.scene import WAIT_S, Obedient, accept, ask, connect, gateway_on
from wattbook.db.engine import Database
from wattbook.kernel.errors import Unavailable
from wattbook.ocpp.commands.outcomes import Outcomes
from wattbook.ocpp.commands.records import CommandState
from wattbook.ocpp.gateway.gateway import Gateway
from wattbook.simulate.estate import Estate, furnish

TAKE_IN = """
    INSERT INTO registry.stations (id, site, placement, ip_code, acceptance)
    SELECT 'NEWCOMER', site, placement, ip_code, acceptance FROM registry.stations LIMIT 1
"""


async def knock_until(gateway: Gateway, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        try:
            await connect(gateway, "NEWCOMER", Obedient())
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            is_over.set()


async def test_a_gateway_goes_on_after_all_its_connections_to_the_database_were_taken(
    database: Database, database_url: str
) -> None:
    async with database.transaction() as connection:
        estate: Estate = await furnish(connection, 1)
    narrow = Database(database_url, pool_wait_s=0.05)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(narrow.close)
        gateway = await stack.enter_async_context(gateway_on(narrow))
        outcomes = await stack.enter_async_context(Outcomes(database))
        let_in = asyncio.Event()
        knocking = asyncio.create_task(knock_until(gateway, let_in))
        wanted = {"stations-not-read", "commands-not-looked-after", "knocks-not-kept"}
        async with AsyncExitStack() as taken, asyncio.timeout(WAIT_S):
            with capture_logs() as said:
                while not wanted <= {each["event"] for each in said}:
                    with suppress(PoolTimeout):  # what the gateway has at this moment it gives back
                        await taken.enter_async_context(narrow.snapshot())
        async with database.transaction() as connection:
            await connection.execute(text(TAKE_IN))
        await asyncio.wait_for(let_in.wait(), WAIT_S)
        await knocking
        station = await connect(gateway, estate.station(0), Obedient())
        (command,) = await accept(database, [ask(estate.station(0))])
        assert (await outcomes.wait(command.id, WAIT_S)).state is CommandState.ANSWERED
        await station.close()
