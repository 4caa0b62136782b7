"""Threads and connections reserved for probes and metrics: they must answer while slow calls hold all others."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import HTTPException

from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services

T = TypeVar("T")
_THREADS, _MOST_AT_ONCE = 2, 16
# A success is cached for a second: probes need no key, so anyone may send many.
_CACHE_SECONDS = 1.0


class Probes:
    """`services`: on a database pool that nothing else uses."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._threads = ThreadPoolExecutor(_THREADS, "probes")
        self._running = 0
        self._succeeded_at = float("-inf")

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in a thread of the probes; raises 503 when too many wait for one."""
        if self._running >= _MOST_AT_ONCE:
            raise HTTPException(503, "too many probes at once", {"Retry-After": "1"})
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._running -= 1

    async def check(self) -> PipelineError | None:
        """Return why deliveries cannot be stored now, or None. Writes nothing."""
        if time.monotonic() <= self._succeeded_at + _CACHE_SECONDS:
            return None
        error = await self.run(self._verify)
        if error is None:
            self._succeeded_at = time.monotonic()
        return error

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self.services.close()

    def _verify(self) -> PipelineError | None:
        try:
            self.services.verify()
        except PipelineError as error:
            return error
        return None
