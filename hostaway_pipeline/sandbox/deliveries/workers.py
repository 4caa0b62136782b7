"""A pool of threads that runs tasks when they become due. Knows nothing of webhooks."""

import heapq
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Lock, Thread

from hostaway_pipeline.sandbox.deliveries.posting import Connections

STOP_TIMEOUT = 1.0

Task = Callable[[Connections], None]


class Workers:
    """Starts its threads with the first task; each thread has connections of its own."""

    def __init__(self, threads: int, timeout: float) -> None:
        self._size = threads
        self._timeout = timeout
        self._lock = Lock()
        self._due = Condition(self._lock)
        self._idle = Condition(self._lock)
        self._tasks: list[tuple[float, int, Task]] = []
        self._order = count()
        self._running = 0
        self._threads: list[Thread] = []
        self._is_stopped = False

    @property
    def pending(self) -> int:
        """How many tasks wait or run."""
        with self._lock:
            return len(self._tasks) + self._running

    def schedule(self, due: float, task: Task) -> None:
        """Run the task at that monotonic second, or never if the workers are stopped before."""
        with self._lock:
            if self._is_stopped:
                return
            heapq.heappush(self._tasks, (due, next(self._order), task))
            self._due.notify()
            if not self._threads:
                self._start()

    def wait_idle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is pending; return whether that is so."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._tasks and not self._running, timeout)

    def stop(self) -> None:
        """Drop waiting tasks; let running ones finish for up to STOP_TIMEOUT seconds."""
        with self._lock:
            self._is_stopped = True
            self._tasks.clear()
            self._due.notify_all()
            self._idle.notify_all()
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        for number in range(self._size):
            self._threads.append(Thread(target=self._work, name=f"hostaway-webhooks-{number}", daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        connections = Connections(self._timeout)
        while task := self._next():
            try:
                task(connections)
            finally:
                self._finish()
        connections.close()

    def _next(self) -> Task | None:
        """Wait for the next task to become due and return it; None when the workers are stopped."""
        with self._lock:
            while not self._is_stopped:
                wait = self._tasks[0][0] - time.monotonic() if self._tasks else None
                if wait is not None and wait <= 0:
                    self._running += 1
                    task = heapq.heappop(self._tasks)[2]
                    # While this thread is busy, another one has to wait for the next task to become due.
                    if self._tasks:
                        self._due.notify()
                    return task
                self._due.wait(wait)
            return None

    def _finish(self) -> None:
        with self._lock:
            self._running -= 1
            if not self._tasks and not self._running:
                self._idle.notify_all()
