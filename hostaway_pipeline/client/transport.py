"""One request, one classified answer. Retries are client.py's, tokens are auth.py's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from hostaway_pipeline.client.exchange import POOLS, Exchanges
from hostaway_pipeline.client.retry import retry_at
from hostaway_pipeline.domain.redaction import scrub
from hostaway_pipeline.domain.values import as_int, parse_json
from hostaway_pipeline.errors import (
    Aborted,
    AccessDenied,
    ApiError,
    GarbledBody,
    InvalidCredentials,
    NetworkError,
    NotFound,
    RateLimited,
    RequestRejected,
    ServerError,
)

Params = Mapping[str, str | int]
_CONNECT_SECONDS = 5.0
# Between bytes one read timeout may pass; a whole answer, however steadily it comes, may take so many of them.
_READ_TIMEOUTS = 2
# Lists give 500 rows at most, of some kilobytes each: a body that goes on beyond this would only fill the memory.
_LARGEST_BODY = 64 * 2**20
_CHUNK = 64 * 2**10
_LONGEST_MESSAGE = 200
_SHAPES: dict[type, str] = {list: "a list", dict: "an object"}
_HOSTAWAYS_WORD: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful envelope. `result` is an object or a list; `count` comes on lists only."""

    result: Any
    count: int | None


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Adapter(HTTPAdapter):
    """Connections that can be cut off."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS


class Transport:
    """A keep-alive session for one base URL, safe to share between threads.

    `read_seconds` may pass between two bytes, and twice as many from the beginning of a request to its last byte.
    """

    def __init__(self, base_url: str, *, connections: int, read_seconds: float = 30.0) -> None:
        self._base_url = base_url
        self._exchanges = Exchanges(read_seconds * _READ_TIMEOUTS)
        self._timeout = (_CONNECT_SECONDS, read_seconds)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or .netrc of the machine must not see or set credentials
        self._session.headers["Accept"] = "application/json"
        adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        self._session.close()

    def abort(self) -> None:
        """Every request that is under way in any thread ends at once with Aborted, and no other one begins."""
        self._exchanges.abort()

    def call(
        self,
        method: str,
        path: str,
        token: str,
        *,
        params: Params | None = None,
        json: Mapping[str, Any] | None = None,
        shape: type | None = None,
    ) -> Answer:
        """Raises an ApiError of the class that tells whether another try makes sense.

        `shape`: what the result has to be, a list or a dict; any other result is a GarbledBody.
        """
        headers = {"Authorization": f"Bearer {token}"}
        answer = _envelope(f"{method} {path}", self._send(method, path, params=params, json=json, headers=headers))
        if shape is not None and not isinstance(answer.result, shape):
            raise GarbledBody(f"{method} {path}: the result is not {_SHAPES[shape]}")
        return answer

    def post_form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """For `/accessTokens`, whose answers carry no envelope."""
        try:
            return _object(f"POST {path}", self._send("POST", path, data=form))
        except RequestRejected:
            # Without the server's words, which may repeat what was sent.
            raise RequestRejected(f"POST {path}: Hostaway refuses the request") from None

    def _send(self, method: str, path: str, **kwargs: Any) -> _Reply:
        what, failure = f"{method} {path}", ""
        with self._exchanges.begin() as exchange:
            try:
                with self._session.request(
                    method, self._base_url + path, timeout=self._timeout, allow_redirects=False, stream=True, **kwargs
                ) as response:
                    reply = _Reply(response.status_code, response.headers, _whole_body(what, response))
            except requests.RequestException as error:
                failure = _cause(error)
        # Looked at in any case: without a length, a body that was cut off looks like one that has ended.
        if isinstance(exchange.cut_as, Aborted):
            raise exchange.cut_as
        failure = str(exchange.cut_as or failure)
        if failure:
            # Not chained: the library's text holds the URL and, for a form, could hold its content.
            raise NetworkError(f"{what}: no answer from {self._base_url} ({failure})") from None
        if not 200 <= reply.status < 300:
            raise _classified(what, reply)
        return reply


def _whole_body(what: str, response: requests.Response) -> bytes:
    """Raises GarbledBody for one without an end."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise GarbledBody(f"{what}: the answer is larger than {_LARGEST_BODY >> 20} MiB")
    return bytes(body)


def _classified(what: str, reply: _Reply) -> ApiError:
    """403 and 404 decide about tokens and rows: they count only as Hostaway's own word, in its envelope.

    A gateway answers with the same numbers while Hostaway is away, in HTML, without a body or in a JSON of its own.
    """
    status = reply.status
    said = f"{what}: HTTP {status}{_message(reply)}"
    if status == 429:
        return RateLimited(said, retry_at(reply.headers, datetime.now(UTC)))
    if status >= 500 or status == 408:
        return ServerError(said)
    if status == 401:
        return InvalidCredentials(f"{what}: Hostaway does not accept the account id and client secret (HTTP 401)")
    if status in _HOSTAWAYS_WORD:
        if _is_failure(parse_json(reply.body)):
            return _HOSTAWAYS_WORD[status](said)
        return GarbledBody(f"{said} without Hostaway's envelope: something in front of Hostaway answered")
    hint = ": redirects are not followed; is HOSTAWAY_API_URL right?" if status < 400 else ""
    return RequestRejected(said + hint)


def _envelope(what: str, reply: _Reply) -> Answer:
    body = _object(what, reply)
    if _is_failure(body):
        raise RequestRejected(f"{what}: {_text(body) or 'status fail'}")
    if body.get("status") != "success" or "result" not in body:
        raise GarbledBody(f"{what}: the answer is not Hostaway's envelope")
    return Answer(body["result"], _count(body.get("count")))


def _is_failure(body: Any) -> bool:
    return isinstance(body, dict) and body.get("status") == "fail"


def _count(value: Any) -> int | None:
    """A number in whatever form; what cannot be one counts nothing."""
    number = as_int(value)
    return None if number is None or number < 0 else number


def _object(what: str, reply: _Reply) -> dict[str, Any]:
    body = parse_json(reply.body)
    if not isinstance(body, dict):
        raise GarbledBody(f"{what}: the answer is not a JSON object ({len(reply.body)} bytes)")
    return body


def _message(reply: _Reply) -> str:
    body = parse_json(reply.body)
    text = _text(body) if isinstance(body, dict) else None
    return f": {text}" if text else ""


def _text(body: Mapping[str, Any]) -> str | None:
    """A failure's text stands in `result` or in `message`. It goes into logs and events, so without what is private."""
    texts = (body.get("message"), body.get("result"))
    return next((scrub(text[:_LONGEST_MESSAGE]) for text in texts if isinstance(text, str) and text), None)


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "connecting timed out"
    if isinstance(error, requests.Timeout):
        return "reading timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut short"
    return "connection refused or cut"
