"""However many look, the value is made once an interval, and a failure is told and forgotten."""

import asyncio

import pytest

from wattbook.console.pacing import Paced, Seen


class Source:
    """Counts, and can be held up or made to fail."""

    def __init__(self) -> None:
        self.made = 0
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def make(self) -> int:
        self.made += 1
        await self.open.wait()
        if self.broken:
            raise OSError("the database does not answer")
        return self.made


async def test_a_hundred_looks_at_once_make_it_once() -> None:
    source = Source()
    paced = Paced(source.make, interval_s=60)
    looks = await asyncio.gather(*(paced.look(5) for _ in range(100)))
    assert looks == [Seen(1)] * 100
    assert await paced.look(5) == Seen(1)
    assert source.made == 1


async def test_it_is_made_anew_after_the_interval() -> None:
    paced = Paced(Source().make, interval_s=0)
    seen = await paced.look(5)
    while seen == Seen(1):
        seen = await paced.look(5)
    assert seen == Seen(2)


async def test_who_looks_does_not_wait_beyond_its_patience() -> None:
    source = Source()
    source.open.clear()
    paced = Paced(source.make, interval_s=60)
    assert await paced.look(0) == Seen(None)
    source.open.set()
    assert await paced.look(5) == Seen(1)


@pytest.mark.parametrize("broken_first", [True, False])
async def test_a_failure_keeps_the_last_value_and_is_over_with_the_next(broken_first: bool) -> None:
    source = Source()
    paced = Paced(source.make, interval_s=0)
    last = None if broken_first else (await paced.look(5)).value
    source.broken = True
    assert await look_until(paced, failed=True) == Seen(last, failed=True)
    source.broken = False
    assert (await look_until(paced, failed=False)).value == source.made


async def look_until(paced: Paced[int], *, failed: bool) -> Seen[int]:
    while (seen := await paced.look(5)).failed is not failed:
        pass
    return seen


async def test_closing_ends_what_is_being_made() -> None:
    source = Source()
    source.open.clear()
    paced = Paced(source.make, interval_s=0)
    await paced.look(0)
    await paced.close()
    source.open.set()
    assert await Paced(source.make, interval_s=0).look(5) == Seen(source.made)
