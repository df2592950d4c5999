"""Whatever is done to a wallet, in whichever order, however often: it ends with what was done once, and never below."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.charging.world import posted
from tests.conftest import fresh_database
from tests.payments.world import NEIGHBOURS, NOW, SENDER, TOP_UP, build, document, prove, won
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict, Refused
from wattbook.payments.intake import Outcome, take_in
from wattbook.payments.wallets import funds, give_back, top_up, transfer

COINS = st.integers(min_value=1, max_value=900)
NAMES = st.integers(min_value=0, max_value=4).map(str)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("told"), NAMES, COINS),
        st.tuples(st.just("withdrawn"), NAMES, COINS),
        st.tuples(st.just("desk"), NAMES, COINS),
        st.tuples(st.just("back"), NAMES, COINS),
        st.tuples(st.just("given"), NAMES, COINS),
    ),
    max_size=25,
)


class Model:
    """What a wallet should hold, told in a few lines: the first content of a name counts, and money never is made."""

    def __init__(self) -> None:
        self.wallet, self.owed = 0, 0
        self.known: dict[tuple[str, str], int] = {}
        self.withdrawn: set[str] = set()

    def does(self, kind: str, name: str, coins: int) -> bool:
        """Whether it is taken; what is known already is, and changes nothing."""
        group = "told" if kind in ("told", "withdrawn") else kind
        known = self.known.get((group, name))
        if known is not None and known != coins:
            return False
        if kind == "withdrawn":
            return self._withdraw(name, coins, known)
        if known is not None:
            return True
        if kind in ("back", "given"):
            if self.wallet < coins:
                return False
            self.wallet -= coins
        else:
            self.wallet += coins
        self.known[group, name] = coins
        return True

    def _withdraw(self, name: str, coins: int, known: int | None) -> bool:
        if known is not None and name not in self.withdrawn:
            if self.wallet >= coins:
                self.wallet -= coins
            else:
                self.owed += coins
        self.known["told", name] = coins
        self.withdrawn.add(name)
        return True


async def do(database: Database, kind: str, name: str, coins: int) -> bool:
    """The same with the real parts."""
    async with database.transaction() as connection:
        if kind in ("told", "withdrawn"):
            status = "paid" if kind == "told" else "withdrawn"
            said = document(TOP_UP, payment_id=name, amount=str(coins), status=status)
            (receipt,) = await take_in(connection, SENDER, [said], NEIGHBOURS, now=NOW)
            return receipt.outcome is not Outcome.REFUSED
    try:
        async with database.transaction() as connection:
            if kind == "desk":
                await top_up(connection, "kim", won(coins), name, now=NOW)
            elif kind == "back":
                await give_back(connection, "kim", won(coins), name, now=NOW)
            else:
                await transfer(connection, "kim", "park", won(coins), name, now=NOW)
    except (Refused, Conflict):
        return False
    return True


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_wallet_is_what_was_done_to_it_once(server: EmbeddedServer, steps: list[tuple[str, str, int]]) -> None:
    async def play(url: str) -> None:
        database, model = Database(url), Model()
        await build(database)
        for step in steps:
            assert await do(database, *step) == model.does(*step), step
        async with database.snapshot() as connection:
            found = await funds(connection, "kim", "KRW")
            owed = await posted(connection, "kim", "receivable")
        assert (found.balance, owed) == (won(model.wallet), won(model.owed).amount)
        await prove(database)
        await database.close()

    with fresh_database(server) as url:
        asyncio.run(play(url))
