"""How long somebody who is slow is waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

RATE = 8 * 1024  # bytes that earn a second


class Patience:
    """How long a client may keep us waiting; what it sends or takes meanwhile earns it more, up to that."""

    def __init__(self, seconds: float) -> None:
        self._most = self._left = seconds

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """`TimeoutError` where it is over before what is waited for has come."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        async with asyncio.timeout(self._left):
            yield
        self._left -= clock.time() - began

    def earn(self, count: int) -> None:
        """So many bytes have come, or gone."""
        self._left = min(self._most, self._left + count / RATE)
