"""uvicorn's HTTP protocol with the limits that it lacks: the size of URL and headers, the time a request may take to
arrive, and the number of connections. httptools itself buffers whatever a client sends until a header is complete.

Credentials are checked behind this, in the app.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from webhook_receiver.connections import ConnectionLimiter, Limits

_MOST_PIPELINED = 16
_SLICE = 16 * 1024
_TEXTS = {400: "bad request", 408: "too slow", 414: "URL too long", 431: "headers too large", 503: "busy"}
log = logging.getLogger(__name__)


class _StopParsing(Exception):
    """Raised to the parser, which then fails."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `limiter` belongs to its listener, see `protocol_class`."""

    limiter: ConnectionLimiter
    deadline: float | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._status = 400
        self._in_head = True
        self._in_request = False  # a request has begun and is not complete
        self._is_idle = False
        self._url_size = self._head_size = self._headers = self._discarded = 0
        self._unreported = 0  # bytes that the parser buffered or dropped without calling back
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if not self.limiter.add(self, self.loop):
            self._refuse(503)
            return
        self._wait_for_client(self.limiter.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn marks the newest of pipelined requests only; an older one would write to a closed transport."""
        self.limiter.remove(self)
        self.deadline = None
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in slices: how much of an unfinished header the parser buffers is checked after each."""
        for start in range(0, len(data), _SLICE):
            if self.transport.is_closing():
                return
            part = data if len(data) <= _SLICE else data[start : start + _SLICE]
            self._unreported += len(part)
            if self._is_idle:
                self._is_idle = False
                self._wait_for_client(self.limiter.limits.head_seconds)
            self._feed(part)
            if self._unreported > self.limiter.limits.head_bytes and not self.transport.is_closing():
                self._refuse(431)

    def _feed(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 (asyncio would log the whole of it, with what was sent)
            log.error("unexpected error in the protocol: %s", type(error).__name__)  # noqa: TRY400
            self.transport.abort()

    # Called by the parser

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        self._url_size = self._head_size = self._headers = self._discarded = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._url_size += len(url)
        if self._url_size > self.limiter.limits.url_bytes:
            self._stop_parsing(414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers after a body count as headers and are discarded."""
        self._head_size += len(name) + len(value)
        self._headers += 1
        limits = self.limiter.limits
        if self._head_size > limits.head_bytes or self._headers > limits.headers:
            self._stop_parsing(431)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._stop_parsing(400)
        self._in_head = False
        self._unreported = 0
        self.deadline = self.loop.time() + self.limiter.limits.body_seconds
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        self.limiter.mark_answering(self)

    def on_body(self, body: bytes) -> None:
        self._unreported = 0
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > self.limiter.limits.refused_body_bytes:
                self._stop_parsing(400)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unreported = 0
        self._in_request = False
        self._in_head = True
        self.deadline = None
        super().on_message_complete()
        if self.cycle.response_complete:
            self._become_idle()

    # Called by uvicorn and the transport

    def on_response_complete(self) -> None:
        self._unanswered.popleft()
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:  # or the next request has begun
            return
        self.cycle.body = bytearray()  # the start of a body that was refused
        if self._in_request:
            self._wait_for_client(self.limiter.limits.body_seconds)
        else:
            self._become_idle()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_client(self.limiter.limits.unread_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = None
        self.limiter.mark_answering(self)

    def send_400_response(self, msg: str) -> None:
        """Called when the parser fails, by itself or by `_stop_parsing`."""
        self._refuse(self._status)

    # Called by the limiter

    def expire(self) -> None:
        self._refuse(408)

    def evict(self) -> None:
        self.transport.abort()

    def _wait_for_client(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds
        self.limiter.mark_waiting(self)

    def _become_idle(self) -> None:
        self._is_idle = True
        self._wait_for_client(self.limiter.limits.idle_seconds)

    def _stop_parsing(self, status: int) -> None:
        self._status = status
        raise _StopParsing

    def _refuse(self, status: int) -> None:
        """Answer, unless an answer has begun, and close. The answer never repeats what was sent."""
        self.deadline = None
        cycle = self.cycle
        if cycle is None or not cycle.response_started or (cycle.response_complete and self._in_head):
            text = f'{{"detail":"{_TEXTS[status]}"}}'.encode()
            head = f"content-type: application/json\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + text)
        if status == 408 and self.flow.write_paused:
            self.transport.abort()  # its client does not read
        else:
            self.transport.close()


def protocol_class(limits: Limits) -> type[LimitedProtocol]:
    """The protocol of one listener, whose connections share a limiter."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limiter": ConnectionLimiter(limits)})
