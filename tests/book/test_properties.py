"""What holds for every history: sums are zero, floors hold, a fact posts once.

A seeded world makes facts; a seeded network drops, repeats and reorders them, crashes between any two steps and runs
several posters at once. A failure prints its seed.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import fresh_database
from wattbook.book import posting
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.audit import audit
from wattbook.book.posting import Posted, post
from wattbook.book.statements import balances, set_floor
from wattbook.book.transfers import Capture, Entry, Hold, Span, Transfer, Void
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.kernel.errors import Conflict, Refused, WattbookError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CUSTOMERS = [f"customer-{n}" for n in range(4)]
BANK = Account("bank", "cash", "KRW")

Group = Sequence[Entry]


def wallet(customer: str) -> Account:
    return Account(customer, "wallet", "KRW")


def top_up(fact: str, customer: str, amount: int) -> Group:
    return [Transfer(fact=fact, debit=BANK, credit=wallet(customer), amount=amount, event_at=NOW)]


def sale(fact: str, customer: str, amount: int, tax: int) -> Group:
    """A payer, the revenue and the tax in one group."""
    till = Account("KR*WTB", "sale", "KRW")
    return [
        Transfer(fact=f"{fact}:paid", debit=wallet(customer), credit=till, amount=amount + tax, event_at=NOW),
        Transfer(
            fact=f"{fact}:revenue", debit=till, credit=Account("KR*WTB", "revenue", "KRW"), amount=amount, event_at=NOW
        ),
        Transfer(fact=f"{fact}:tax", debit=till, credit=Account("KR*WTB", "tax", "KRW"), amount=tax, event_at=NOW),
    ]


def delivery(fact: str, customer: str, amount: int, hour: int) -> Group:
    """Energy from the supplier through grid and meter to the customer, for one hour of the meter."""
    grid, meter = Account("dso", "grid", ENERGY), Account("meter-1", "meter", ENERGY)
    span = Span(NOW + timedelta(hours=hour), NOW + timedelta(hours=hour + 1))
    return [
        Transfer(fact=f"{fact}:supply", debit=grid, credit=Account("bg", "balance_group", ENERGY), amount=amount,
                 event_at=span.end),
        Transfer(fact=f"{fact}:meter", debit=meter, credit=grid, amount=amount, event_at=span.end, span=span),
        Transfer(fact=f"{fact}:use", debit=Account(customer, "consumption", ENERGY), credit=meter, amount=amount,
                 event_at=span.end),
    ]  # fmt: skip


def history(random_: random.Random, size: int) -> list[Group]:
    """Facts as their senders know them: each one once, in the order they happened."""
    groups: list[Group] = []
    for n in range(size):
        customer = random_.choice(CUSTOMERS)
        amount = random_.randint(1, 1000)
        match random_.randrange(6):
            case 0 | 1:
                groups.append(top_up(f"top-up:{n}", customer, amount))
            case 2:
                groups.append(sale(f"sale:{n}", customer, amount, amount // 10 + 1))
            case 3:
                groups.append(delivery(f"delivery:{n}", customer, amount, n))
            case _:
                held = Hold(fact=f"hold:{n}", debit=wallet(customer), credit=BANK, amount=amount, event_at=NOW,
                            expires_at=NOW + timedelta(hours=1))  # fmt: skip
                groups.append([held])
                end: Entry = Void(fact=f"end:{n}", hold=f"hold:{n}", event_at=NOW)
                if random_.random() < 0.6:
                    part = random_.randint(1, amount)
                    end = Capture(fact=f"end:{n}", hold=f"hold:{n}", amount=part, event_at=NOW)
                groups.append([end])
    return groups


def deliveries(random_: random.Random, groups: list[Group]) -> list[list[Group]]:
    """What a bad network makes of a history: dropped at first, repeated, reordered nearby, cut into batches."""
    arriving = [group for group in groups for _ in range(random_.choice([1, 1, 1, 2, 3]))]
    places = [place + random_.uniform(0, 12) for place in range(len(arriving))]
    arriving = [group for _, group in sorted(zip(places, arriving, strict=True), key=lambda pair: pair[0])]
    late = [group for group in groups if random_.random() < 0.2]  # a sender that heard nothing sends again
    arriving += late
    batches = []
    while arriving:
        size = random_.randint(1, 20)
        batches.append(arriving[:size])
        arriving = arriving[size:]
    return batches


class Crash(Exception):
    """The process dies between two steps."""


async def post_with_crashes(
    database: Database, batch: list[Group], random_: random.Random
) -> list[Posted | WattbookError]:
    """Send a batch until it is acknowledged; before that, the poster may die before or after its commit."""
    while True:
        fate = random_.random()
        try:
            async with database.transaction() as connection:
                outcomes = await post(connection, batch, booked_at=NOW)
                if fate < 0.15:
                    raise Crash
        except Crash:
            continue
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in ("40P01", "40001", "23505"):
                raise
            continue  # two posters made the same account or fact at once: the loser repeats
        if fate < 0.25:
            continue  # committed, but the answer was lost: everything is sent again
        return outcomes


@pytest.fixture(params=["looked up", "unseen"])
def facts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether batches are written after a look at their facts, as small ones are, or without, as large ones are."""
    if request.param == "unseen":
        monkeypatch.setattr(posting, "TRUSTED_MIN", 0)
        monkeypatch.setattr(posting, "WARY", 0)


@pytest.mark.usefixtures("facts")
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_network_does_the_book_holds(database: Database, seed: int) -> None:
    random_ = random.Random(seed)
    groups = history(random_, 120)
    outcomes: dict[str, set[str]] = {}

    async def poster(batches: list[list[Group]]) -> None:
        for batch in batches:
            for group, outcome in zip(batch, await post_with_crashes(database, batch, random_), strict=True):
                said = "posted" if isinstance(outcome, Posted) else type(outcome).__name__
                outcomes.setdefault(group[0].fact, set()).add(said)

    batches = deliveries(random_, groups)
    await asyncio.gather(*(poster(batches[n::3]) for n in range(3)))

    async with database.snapshot() as connection:
        proof = await audit(connection)
        funds = await balances(connection, [wallet(customer) for customer in CUSTOMERS])
    assert proof.holds, f"seed {seed}: {[finding for finding in proof.findings if not finding.holds]}"
    assert all(balance.available >= 0 for balance in funds.values()), f"seed {seed}"
    # No fact of an honest sender is ever a conflict, but for a void that came after its hold was captured elsewhere.
    assert all("Conflict" not in said for said in outcomes.values()), f"seed {seed}: {outcomes}"
    assert {fact for fact, said in outcomes.items() if fact.startswith("top-up")} == {
        group[0].fact for group in groups if group[0].fact.startswith("top-up")
    }


async def test_floors_hold_when_many_draw_on_one_wallet_at_once(database: Database) -> None:
    async with database.transaction() as connection:
        await post(connection, [top_up("start", CUSTOMERS[0], 1000)], booked_at=NOW)

    async def draw(n: int) -> Posted | WattbookError:
        async with database.transaction() as connection:
            return (await post(connection, [sale(f"draw:{n}", CUSTOMERS[0], 90, 10)], booked_at=NOW))[0]

    outcomes = await asyncio.gather(*(draw(n) for n in range(15)))
    assert outcomes.count(Posted.NEW) == 10
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 5
    async with database.snapshot() as connection:
        assert (await balances(connection, [wallet(CUSTOMERS[0])]))[wallet(CUSTOMERS[0])].available == 0
        assert (await audit(connection)).holds


async def test_posters_that_meet_on_old_and_new_accounts_never_wait_in_a_circle(database: Database) -> None:
    """Who found only the old accounts locks the new one last; so must who finds all of them, whatever their names."""
    first, second = Account("y", "wallet", "KRW"), Account("z", "wallet", "KRW")
    new = Account("a", "sale", "KRW")
    async with database.transaction() as connection:
        await post(connection, [top_up("s:y", "y", 9), top_up("s:z", "z", 9)], booked_at=NOW)

    async def pay(fact: str, *wallets: Account) -> Posted | WattbookError:
        group = [Transfer(fact=f"{fact}:{own.owner}", debit=own, credit=new, amount=1, event_at=NOW) for own in wallets]
        async with database.transaction() as connection:
            return (await post(connection, [group], booked_at=NOW))[0]

    async def waiting(posters: int, *, unless: "asyncio.Task[Posted | WattbookError] | None" = None) -> None:
        """Until so many wait; `unless` one got the free row before the one that waited for it had woken up."""
        while unless is None or not unless.done():
            async with database.snapshot() as connection:
                found = await connection.execute(
                    text("""
                        SELECT count(*) FROM pg_stat_activity
                        WHERE wait_event_type = 'Lock' AND datname = current_database()
                    """)
                )
                if found.scalar_one() == posters:
                    return

    async with asyncio.timeout(60), database.transaction() as holds_second:
        await set_floor(holds_second, second, 0)
        async with database.transaction() as makes_new:
            made = [Transfer(fact="made", debit=first, credit=new, amount=1, event_at=NOW)]
            await post(makes_new, [made], booked_at=NOW)
            found_old = asyncio.create_task(pay("found old", first, second))
            await waiting(1)
        found_all = asyncio.create_task(pay("found all", first))
        await waiting(2, unless=found_all)
    assert [await found_old, await found_all] == [Posted.NEW, Posted.NEW]


amounts = st.integers(min_value=1, max_value=500)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("top-up"), st.integers(0, 5), amounts),
        st.tuples(st.just("sale"), st.integers(0, 5), amounts),
        st.tuples(st.just("hold"), st.integers(0, 5), amounts),
        st.tuples(st.just("capture"), st.integers(0, 5), amounts),
        st.tuples(st.just("void"), st.integers(0, 5), amounts),
    ),
    max_size=25,
)


@pytest.mark.usefixtures("facts")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps, cuts=st.randoms(use_true_random=False))
def test_a_batch_does_what_its_groups_would_do_one_by_one(
    server: EmbeddedServer, history: list[tuple[str, int, int]], cuts: random.Random
) -> None:
    """The set-based poster against a model that knows only Python numbers."""
    asyncio.run(_compare_with_model(server, history, cuts))


async def _compare_with_model(server: EmbeddedServer, history: list[tuple[str, int, int]], cuts: random.Random) -> None:
    customer = CUSTOMERS[0]
    groups: list[Group] = []
    for kind, n, amount in history:
        match kind:
            case "top-up":
                groups.append(top_up(f"top-up:{n}", customer, amount))
            case "sale":
                groups.append(sale(f"sale:{n}", customer, amount, 1))
            case "hold":
                groups.append([Hold(fact=f"hold:{n}", debit=wallet(customer), credit=BANK, amount=amount, event_at=NOW,
                                    expires_at=NOW)])  # fmt: skip
            case "capture":
                groups.append([Capture(fact=f"capture:{n}", hold=f"hold:{n}", amount=amount, event_at=NOW)])
            case _:
                groups.append([Void(fact=f"void:{n}", hold=f"hold:{n}", event_at=NOW)])
    expected = Model().play_all(history)
    with fresh_database(server) as url:
        database = Database(url)
        said: list[str] = []
        while groups:
            size = cuts.randint(1, len(groups))
            async with database.transaction() as connection:
                said += [_said(outcome) for outcome in await post(connection, groups[:size], booked_at=NOW)]
            groups = groups[size:]
        async with database.snapshot() as connection:
            assert (await audit(connection)).findings[0].holds
            found = (await balances(connection, [wallet(customer)]))[wallet(customer)]
        await database.close()
    assert said == expected.said
    assert (found.posted, found.available) == (expected.posted, expected.posted - sum(expected.open.values()))


def _said(outcome: Posted | WattbookError) -> str:
    return outcome.value if isinstance(outcome, Posted) else type(outcome).__name__


class Model:
    """One wallet, said in the plainest way."""

    def __init__(self) -> None:
        self.posted = 0
        self.facts: dict[str, int] = {}
        self.open: dict[int, int] = {}
        self.said: list[str] = []

    def play_all(self, history: list[tuple[str, int, int]]) -> "Model":
        for kind, n, amount in history:
            self.said.append(self.play(kind, n, 0 if kind == "void" else amount))
        return self

    def play(self, kind: str, n: int, amount: int) -> str:
        fact = f"{kind}:{n}"
        if kind in ("capture", "void"):
            held = self.facts.get(f"hold:{n}")
            if held is None:
                return "NotFound"
            if amount > held:
                return Refused.__name__
        if fact in self.facts:
            return Posted.KNOWN.value if self.facts[fact] == amount else Conflict.__name__
        available = self.posted - sum(self.open.values())
        match kind:
            case "top-up":
                self.posted += amount
            case "sale" if amount + 1 > available:
                return Refused.__name__
            case "sale":
                self.posted -= amount + 1
            case "hold" if amount > available:
                return Refused.__name__
            case "hold":
                self.open[n] = amount
            case _ if n not in self.open:
                return Conflict.__name__
            case _:
                del self.open[n]
                self.posted -= amount
        self.facts[fact] = amount
        return Posted.NEW.value
