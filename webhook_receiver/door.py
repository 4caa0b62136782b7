"""uvicorn's protocol with the limits that it lacks: of a URL, of headers, of the time a request takes to come, and of
connections. httptools itself keeps whatever a client sends until a header is complete.

Credentials are looked at behind this, in the app.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from webhook_receiver.crowd import Crowd, Limits

_MOST_PIPELINED = 16
_SLICE = 16 * 1024
_TEXTS = {400: "bad request", 408: "too slow", 414: "URL too long", 431: "headers too large", 503: "busy"}
log = logging.getLogger(__name__)


class _Refused(Exception):
    """Raised to the parser, which stops."""


class Door(HttpToolsProtocol):
    """One connection. `crowd` is the listener's, see `protocol`."""

    crowd: Crowd
    deadline: float | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._status = 400
        self._in_head = True
        self._is_open = False  # a request has begun and has not come to its end
        self._is_idle = False
        self._url_size = self._head_size = self._headers = self._dropped = 0
        self._unseen = 0  # bytes that the parser keeps, or threw away, without telling

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if not self.crowd.enter(self, self.loop):
            self._refuse(503)
            return
        self._expect(self.crowd.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        self.deadline = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """In slices: what the parser keeps of an unfinished header is known after each."""
        for start in range(0, len(data), _SLICE):
            if self.transport.is_closing():
                return
            part = data if len(data) <= _SLICE else data[start : start + _SLICE]
            self._unseen += len(part)
            if self._is_idle:
                self._is_idle = False
                self._expect(self.crowd.limits.head_seconds)
            self._feed(part)
            if self._unseen > self.crowd.limits.head_bytes and not self.transport.is_closing():
                self._refuse(431)

    def _feed(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 (asyncio would log all of it, and what was sent with it)
            log.error("unexpected error in the protocol: %s", type(error).__name__)  # noqa: TRY400
            self.transport.abort()

    # What the parser tells

    def on_message_begin(self) -> None:
        self._in_head = self._is_open = True
        self._url_size = self._head_size = self._headers = self._dropped = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._url_size += len(url)
        if self._url_size > self.crowd.limits.url_bytes:
            self._stop(414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers after a body count with the headers, and nobody reads them."""
        self._head_size += len(name) + len(value)
        self._headers += 1
        limits = self.crowd.limits
        if self._head_size > limits.head_bytes or self._headers > limits.headers:
            self._stop(431)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._stop(400)
        self._in_head = False
        self._unseen = 0
        self.deadline = self.loop.time() + self.crowd.limits.body_seconds
        super().on_headers_complete()
        self.crowd.answer(self)

    def on_body(self, body: bytes) -> None:
        self._unseen = 0
        if self.cycle.response_complete:
            self._dropped += len(body)
            if self._dropped > self.crowd.limits.refused_body_bytes:
                self._stop(400)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unseen = 0
        self._is_open = False
        self._in_head = True
        self.deadline = None
        super().on_message_complete()
        if self.cycle.response_complete:
            self._rest()

    # What uvicorn tells

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:  # or the next one has begun
            return
        self.cycle.body = bytearray()  # what came of a body that nobody wanted
        if self._is_open:
            self._expect(self.crowd.limits.body_seconds)
        else:
            self._rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect(self.crowd.limits.unread_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = None
        self.crowd.answer(self)

    def send_400_response(self, msg: str) -> None:
        """Whatever the parser did not like, or was told to stop at."""
        self._refuse(self._status)

    # What the crowd tells

    def expire(self) -> None:
        self._refuse(408)

    def evict(self) -> None:
        self.transport.abort()

    def _expect(self, seconds: float) -> None:
        """It is the client's turn."""
        self.deadline = self.loop.time() + seconds
        self.crowd.wait_for(self)

    def _rest(self) -> None:
        self._is_idle = True
        self._expect(self.crowd.limits.idle_seconds)

    def _stop(self, status: int) -> None:
        self._status = status
        raise _Refused

    def _refuse(self, status: int) -> None:
        """An answer where none has begun, and the end. It never repeats what was sent."""
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


def protocol(limits: Limits) -> type[Door]:
    """The protocol of one listener."""
    return type("Door", (Door,), {"crowd": Crowd(limits)})
