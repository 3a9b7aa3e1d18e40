"""Server-sent events on their way to the client."""

import asyncio
import time
from collections.abc import AsyncIterator

from serve_app.replies import gathered


async def events(pause_s: float, *items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item
        await asyncio.sleep(pause_s)


def collect(pause_s: float, interval_s: float, *items: bytes) -> list[tuple[float, bytes]]:
    async def run() -> list[tuple[float, bytes]]:
        started = time.perf_counter()
        return [(time.perf_counter() - started, chunk) async for chunk in gathered(events(pause_s, *items), interval_s)]

    return asyncio.run(run())


def test_every_event_arrives_once_and_in_order() -> None:
    items = [f"{number};".encode() for number in range(50)]
    assert b"".join(chunk for _, chunk in collect(0.001, 0.01, *items)) == b"".join(items)


def test_the_first_event_goes_out_at_once_and_the_others_together() -> None:
    found = collect(0.01, 0.2, b"a", b"b", b"c", b"d")
    assert [chunk for _, chunk in found] == [b"a", b"bcd"]
    assert found[0][0] < 0.1


def test_no_events_make_no_chunks() -> None:
    assert collect(0, 0.01) == []


def test_an_error_in_the_events_comes_out_after_what_was_sent_before() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("engine died")

    async def run() -> list[bytes]:
        found: list[bytes] = []
        try:
            async for chunk in gathered(failing(), 0.01):
                found.append(chunk)
        except RuntimeError as error:
            found.append(str(error).encode())
        return found

    assert asyncio.run(run()) == [b"a", b"engine died"]


def test_a_client_that_leaves_stops_the_expert() -> None:
    stopped = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            stopped.append(True)

    async def run() -> None:
        chunks = gathered(endless(), 0.01)
        await anext(chunks)
        await chunks.aclose()
        await asyncio.sleep(0.05)
        assert stopped == [True]

    asyncio.run(run())
