"""Sends one request and classifies its answer. client.py retries, auth.py provides tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from hostaway_pipeline.client.exchange import POOLS, Exchanges
from hostaway_pipeline.client.network import network_to
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
# The deadline of a whole answer, as a multiple of the read timeout, which bounds the gap between two bytes.
_READ_TIMEOUTS = 2
# Lists hold at most 500 rows of a few kilobytes each; a larger body would only fill the memory.
_MAX_BODY_BYTES = 64 * 2**20
_CHUNK_BYTES = 64 * 2**10
_MAX_MESSAGE_LENGTH = 200
_SHAPES: dict[type, str] = {list: "a list", dict: "an object"}
_OBJECT_ERRORS: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful envelope. `result` is an object or a list; `count` comes on lists only."""

    result: Any
    count: int | None


@dataclass(frozen=True, slots=True)
class _Response:
    """A complete HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Adapter(HTTPAdapter):
    """Uses connections that can be cancelled, also through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class Transport:
    """A keep-alive session for one base URL, safe to share between threads.

    `read_seconds` is the timeout between two bytes; a whole request may take twice as long. Raises ConfigurationError
    when the certificates of this machine are missing.
    """

    def __init__(self, base_url: str, *, connections: int, read_seconds: float = 30.0) -> None:
        self._base_url = base_url
        self._exchanges = Exchanges(read_seconds * _READ_TIMEOUTS)
        self._timeout = (_CONNECT_SECONDS, read_seconds)
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc of this machine must not set credentials
        network = network_to(base_url)
        self._session.proxies = dict(network.proxies)
        self._session.verify = network.certificates or True
        self._session.headers["Accept"] = "application/json"
        adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        self._session.close()

    def abort(self) -> None:
        """End all requests of all threads with Aborted, and start no more."""
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
        """Send a request. Raises an ApiError whose class says whether a retry makes sense.

        `shape`: the type that the result must have, list or dict; any other result raises GarbledBody.
        """
        headers = {"Authorization": f"Bearer {token}"}
        answer = _envelope(f"{method} {path}", self._send(method, path, params=params, json=json, headers=headers))
        if shape is not None and not isinstance(answer.result, shape):
            raise GarbledBody(f"{method} {path}: the result is not {_SHAPES[shape]}")
        return answer

    def post_form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Post a form to `/accessTokens`, whose answers have no envelope. Raises an ApiError."""
        try:
            return _object(f"POST {path}", self._send("POST", path, data=form))
        except RequestRejected:
            # Without the server's text, which may repeat what was sent.
            raise RequestRejected(f"POST {path}: Hostaway refuses the request") from None

    def status_without_token(self, path: str) -> int:
        """Any answer proves the connection. Raises NetworkError."""
        return self._exchange("GET", path).status

    def _send(self, method: str, path: str, **kwargs: Any) -> _Response:
        received = self._exchange(method, path, **kwargs)
        if not 200 <= received.status < 300:
            raise _error_of(f"{method} {path}", received)
        return received

    def _exchange(self, method: str, path: str, **kwargs: Any) -> _Response:
        request, failure = f"{method} {path}", ""
        with self._exchanges.begin() as exchange:
            try:
                with self._session.request(
                    method, self._base_url + path, timeout=self._timeout, allow_redirects=False, stream=True, **kwargs
                ) as response:
                    received = _Response(response.status_code, response.headers, _read_body(request, response))
            except requests.RequestException as error:
                failure = _cause(error)
        # Checked even without a failure: a body without a length that was cut off looks complete.
        if isinstance(exchange.cancelled_by, Aborted):
            raise exchange.cancelled_by
        failure = str(exchange.cancelled_by or failure)
        if failure:
            # Not chained: the library's message holds the URL and could hold the content of a form.
            raise NetworkError(f"{request}: no answer from {self._base_url} ({failure})") from None
        return received


def _read_body(request: str, response: requests.Response) -> bytes:
    """Read the whole body. Raises GarbledBody when it is too large."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise GarbledBody(f"{request}: the answer is larger than {_MAX_BODY_BYTES >> 20} MiB")
    return bytes(body)


def _error_of(request: str, response: _Response) -> ApiError:
    """Classify a response other than 2xx.

    403 and 404 decide about tokens and rows, so they count only in Hostaway's envelope: a gateway sends the same codes
    while Hostaway is down, in HTML, without a body or in JSON of its own.
    """
    status = response.status
    message = f"{request}: HTTP {status}{_failure_suffix(response)}"
    if status == 429:
        return RateLimited(message, retry_at(response.headers, datetime.now(UTC)))
    if status >= 500 or status == 408:
        return ServerError(message)
    if status == 401:
        return InvalidCredentials(f"{request}: Hostaway does not accept the account id and client secret (HTTP 401)")
    if status in _OBJECT_ERRORS:
        if _is_failure(parse_json(response.body)):
            return _OBJECT_ERRORS[status](message)
        return GarbledBody(f"{message} without Hostaway's envelope: something in front of Hostaway answered")
    hint = ": redirects are not followed; is HOSTAWAY_API_URL right?" if status < 400 else ""
    return RequestRejected(message + hint)


def _envelope(request: str, response: _Response) -> Answer:
    body = _object(request, response)
    if _is_failure(body):
        raise RequestRejected(f"{request}: {_failure_text(body) or 'status fail'}")
    if body.get("status") != "success" or "result" not in body:
        raise GarbledBody(f"{request}: the answer is not Hostaway's envelope")
    return Answer(body["result"], _count(body.get("count")))


def _is_failure(body: Any) -> bool:
    return isinstance(body, dict) and body.get("status") == "fail"


def _count(value: Any) -> int | None:
    """A count, as a number or a string; None for anything else."""
    number = as_int(value)
    return None if number is None or number < 0 else number


def _object(request: str, response: _Response) -> dict[str, Any]:
    body = parse_json(response.body)
    if not isinstance(body, dict):
        raise GarbledBody(f"{request}: the answer is not a JSON object ({len(response.body)} bytes)")
    return body


def _failure_suffix(response: _Response) -> str:
    body = parse_json(response.body)
    text = _failure_text(body) if isinstance(body, dict) else None
    return f": {text}" if text else ""


def _failure_text(body: Mapping[str, Any]) -> str | None:
    """The text of a failure, from `message` or `result`; redacted, because it goes into logs and events."""
    texts = (body.get("message"), body.get("result"))
    return next((scrub(text[:_MAX_MESSAGE_LENGTH]) for text in texts if isinstance(text, str) and text), None)


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "connecting timed out"
    if isinstance(error, requests.Timeout):
        return "reading timed out"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be reached or refuses"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed; SSL_CERT_FILE may name the certificates of a private authority"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut short"
    return "connection refused or cut"
