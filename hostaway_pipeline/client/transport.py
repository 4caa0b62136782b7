"""One request, one classified answer. Retries are client.py's, tokens are auth.py's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from hostaway_pipeline.client.retry import retry_at
from hostaway_pipeline.domain.parsing import parse_json
from hostaway_pipeline.domain.redaction import scrub
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import (
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
_LONGEST_MESSAGE = 200
_SHAPES: dict[type, str] = {list: "a list", dict: "an object"}
_HOSTAWAYS_WORD: dict[int, type[ApiError]] = {403: AccessDenied, 404: NotFound}


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful envelope. `result` is an object or a list; `count` comes on lists only."""

    result: Any
    count: int | None


class Transport:
    """A keep-alive session for one base URL, safe to share between threads."""

    def __init__(self, base_url: str, *, connections: int, read_seconds: float = 30.0) -> None:
        self._base_url = base_url
        self._timeout = (_CONNECT_SECONDS, read_seconds)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or .netrc of the machine must not see or set credentials
        self._session.headers["Accept"] = "application/json"
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        self._session.close()

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

    def _send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        try:
            response = self._session.request(
                method, self._base_url + path, timeout=self._timeout, allow_redirects=False, **kwargs
            )
        except requests.RequestException as error:
            # Not chained: the library's text holds the URL and, for a form, could hold its content.
            raise NetworkError(f"{method} {path}: no answer from {self._base_url} ({_cause(error)})") from None
        if not 200 <= response.status_code < 300:
            raise _classified(f"{method} {path}", response)
        return response


def _classified(what: str, response: requests.Response) -> ApiError:
    """403 and 404 decide about tokens and rows: they count only as Hostaway's own word, in its envelope.

    A gateway answers with the same numbers while Hostaway is away, in HTML, without a body or in a JSON of its own.
    """
    status = response.status_code
    said = f"{what}: HTTP {status}{_message(response)}"
    if status == 429:
        return RateLimited(said, retry_at(response.headers, datetime.now(UTC)))
    if status >= 500 or status == 408:
        return ServerError(said)
    if status == 401:
        return InvalidCredentials(f"{what}: Hostaway does not accept the account id and client secret (HTTP 401)")
    if status in _HOSTAWAYS_WORD:
        if _is_failure(parse_json(response.content)):
            return _HOSTAWAYS_WORD[status](said)
        return GarbledBody(f"{said} without Hostaway's envelope: something in front of Hostaway answered")
    hint = ": redirects are not followed; is HOSTAWAY_API_URL right?" if status < 400 else ""
    return RequestRejected(said + hint)


def _envelope(what: str, response: requests.Response) -> Answer:
    body = _object(what, response)
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


def _object(what: str, response: requests.Response) -> dict[str, Any]:
    body = parse_json(response.content)
    if not isinstance(body, dict):
        raise GarbledBody(f"{what}: the answer is not a JSON object ({len(response.content)} bytes)")
    return body


def _message(response: requests.Response) -> str:
    body = parse_json(response.content)
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
