"""Making once what many ask for at once."""

from __future__ import annotations

import asyncio

import pytest

from ldes_server.together import Together


class Maker:
    """Makes numbers, one after the other, each when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        """Make the next one."""
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        return number


async def turns() -> None:
    """Let the loop turn until nothing moves."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_while_it_is_made_gets_one_that_was_begun_later() -> None:
    """The first gets the first one; all who came after it was begun share the second, and nothing is left behind."""
    together, maker = Together[int](), Maker()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(together.make("page", maker))
        await turns()
        late = [group.create_task(together.make("page", maker)) for _ in range(20)]
        await turns()
        assert maker.begun == 1
        maker.go_on.set()
    assert first.result() == 1
    assert {task.result() for task in late} == {2}
    assert maker.begun == 2
    assert len(together) == 0


async def test_different_things_do_not_wait_for_each_other() -> None:
    """One key being made holds up no other."""
    together, slow, quick = Together[int](), Maker(), Maker()
    quick.go_on.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(together.make("slow", slow))
        await turns()
        assert await together.make("quick", quick) == 1
        slow.go_on.set()


async def test_an_error_is_not_shared() -> None:
    """Who had it made gets the error; the next one has it made again."""
    together, maker = Together[int](), Maker()
    let = asyncio.Event()

    async def fail() -> int:
        await let.wait()
        raise ValueError("no")

    async with asyncio.TaskGroup() as group:

        async def expect_error() -> None:
            with pytest.raises(ValueError, match="no"):
                await together.make("page", fail)

        group.create_task(expect_error())
        await turns()
        second = group.create_task(together.make("page", maker))
        maker.go_on.set()
        let.set()
    assert second.result() == 1


async def test_who_is_cancelled_leaves_it_to_the_next() -> None:
    """When whoever has it made is cancelled, the next one has it made."""
    together, hanging, maker = Together[int](), Maker(), Maker()
    maker.go_on.set()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(together.make("page", hanging))
        await turns()
        second = group.create_task(together.make("page", maker))
        await turns()
        assert maker.begun == 0
        first.cancel()
    assert second.result() == 1
