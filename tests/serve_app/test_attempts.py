"""What is done with an expert that is not asked any further; that the next one is asked is tested on a real service."""

import asyncio
from typing import Any, cast

from ray.serve.exceptions import BackPressureError

from serve_app.attempts import _end


class Refused:
    """As Serve's generator of a request that it refused, where its router runs in a thread of its own."""

    def cancel(self) -> None:
        raise BackPressureError(num_queued_requests=1, max_queued_requests=1)


def test_a_refusal_that_is_told_once_more_is_not_the_clients() -> None:
    async def end() -> bool:
        first = asyncio.get_running_loop().create_future()
        _end(first, cast("Any", Refused()))
        return first.cancelled()

    assert asyncio.run(end())
