"""What must answer while slow calls hold all of FastAPI's threads and most connections: it has a few of its own."""

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
# That all is well is good for whoever asks within a second: anybody may ask.
_READY_SECONDS = 1.0


class Probes:
    """`services`: on connections that nothing else uses."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._threads = ThreadPoolExecutor(_THREADS, "probes")
        self._under_way = 0
        self._well_at = float("-inf")

    async def run(self, call: Callable[[], T]) -> T:
        """In a thread of the probes' own; 503 when too many wait for one."""
        if self._under_way >= _MOST_AT_ONCE:
            raise HTTPException(503, "too many probes at once", {"Retry-After": "1"})
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._under_way -= 1

    async def trouble(self) -> PipelineError | None:
        """Why no delivery could be taken now. Nothing is written to find out."""
        if time.monotonic() <= self._well_at + _READY_SECONDS:
            return None
        trouble = await self.run(self._look)
        if trouble is None:
            self._well_at = time.monotonic()
        return trouble

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self.services.close()

    def _look(self) -> PipelineError | None:
        try:
            self.services.verify()
        except PipelineError as error:
            return error
        return None
