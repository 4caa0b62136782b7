"""Every answer of a server, and the lack of one, becomes one class of error: transient or permanent."""

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hostaway_pipeline.client.transport import Answer, Transport
from hostaway_pipeline.domain.payloads import content_hash, sanitize
from hostaway_pipeline.errors import (
    AccessDenied,
    ApiError,
    GarbledBody,
    InvalidCredentials,
    NetworkError,
    NotFound,
    PermanentApiError,
    RateLimited,
    RequestRejected,
    ServerError,
    TransientApiError,
)

SECRET = "8b13f4c2e0d94f6aa7c1"
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOi"
FORM = {"grant_type": "client_credentials", "client_id": "59808", "client_secret": SECRET, "scope": "general"}
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Reply:
    """What the server answers. `length` may lie about the body; `after` is how long it keeps silent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    after: float = 0.0


@dataclass
class Canned:
    """A local server with one answer for everything; remembers what it was asked."""

    url: str
    reply: Reply = field(default_factory=Reply)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def says(self, status: int = 200, body: Any = b"", **more: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.reply = Reply(status, raw, **more)


@pytest.fixture(scope="module")
def listening() -> Iterator[Canned]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            canned.asked.append((f"{self.command} {self.path}", dict(self.headers), sent))
            reply = canned.reply
            time.sleep(reply.after)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = answer  # noqa: N815 (the names that http.server calls)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that gave up on reading is what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    canned = Canned(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield canned
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(listening: Canned) -> Canned:
    listening.reply = Reply()
    listening.asked.clear()
    return listening


@pytest.fixture
def transport(server: Canned) -> Iterator[Transport]:
    made = Transport(server.url, connections=1, read_seconds=5)
    yield made
    made.close()


def get(transport: Transport) -> Answer:
    return transport.call("GET", "/listings", TOKEN, params={"limit": 1})


def failure(act: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value


# Success


def test_an_envelope_is_opened(server, transport):
    server.says(200, {"status": "success", "result": [{"id": 1}], "limit": 1, "offset": 0, "count": 7})
    assert get(transport) == Answer([{"id": 1}], 7)


def test_a_single_object_comes_without_a_count(server, transport):
    server.says(200, {"status": "success", "result": {"id": 1}})
    assert get(transport) == Answer({"id": 1}, None)


def test_a_null_result_is_a_result(server, transport):
    server.says(200, {"status": "success", "result": None})
    assert get(transport) == Answer(None, None)


@pytest.mark.parametrize("count", [7, 7.0, "7", " 7 "])
def test_a_count_is_a_number_in_any_form(server, transport, count):
    """Taken for no count, a list could never be complete."""
    server.says(200, {"status": "success", "result": [], "count": count})
    assert get(transport).count == 7


@pytest.mark.parametrize("count", [None, "many", 1.5, "1.5", [], -1, "-1", True, False, ""])
def test_a_count_that_is_no_whole_number_is_no_count(server, transport, count):
    """Then no sweep is complete and nothing is marked as deleted: the safe side."""
    server.says(200, {"status": "success", "result": [], "count": count})
    assert get(transport).count is None


def test_half_a_surrogate_pair_does_not_garble_a_page(server, transport):
    """PHP writes it, orjson refuses it: one guest's cut-off emoji would cost 500 reservations."""
    server.says(200, b'{"status": "success", "result": [{"id": 1, "body": "hi \\ud83d"}], "count": 1}')
    assert get(transport) == Answer([{"id": 1, "body": "hi \ud83d"}], 1)


def test_a_64_bit_id_arrives_to_the_last_digit(server, transport):
    server.says(200, {"status": "success", "result": {"id": 2**63 - 1}})
    assert get(transport).result == {"id": 2**63 - 1}


def test_the_request_carries_token_and_parameters(server, transport):
    server.says(200, {"status": "success", "result": []})
    get(transport)
    asked, headers, _ = server.asked[0]
    assert (asked, headers["Authorization"]) == ("GET /v1/listings?limit=1", f"Bearer {TOKEN}")


def test_the_token_request_is_a_form_in_the_body(server, transport):
    """Hostaway's /accessTokens takes no JSON; and a secret in a URL would end up in logs."""
    server.says(200, {"token_type": "Bearer", "expires_in": 15897600, "access_token": TOKEN})
    assert transport.post_form("/accessTokens", FORM)["access_token"] == TOKEN
    asked, headers, body = server.asked[0]
    assert (asked, headers["Content-Type"]) == ("POST /v1/accessTokens", "application/x-www-form-urlencoded")
    assert f"client_secret={SECRET}".encode() in body


# Failures that the server names


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejected),
        (401, InvalidCredentials),
        (408, ServerError),
        (409, RequestRejected),
        (422, RequestRejected),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
    ],
)
@pytest.mark.parametrize("body", [{"status": "fail", "message": "No."}, HTML, b""], ids=["envelope", "html", "empty"])
def test_a_status_has_one_class_whatever_the_body(server, transport, status, kind, body):
    server.says(status, body)
    assert type(failure(lambda: get(transport))) is kind


@pytest.mark.parametrize(("status", "kind"), [(403, AccessDenied), (404, NotFound)])
@pytest.mark.parametrize("body", [{"status": "fail", "message": "No."}, {"status": "fail"}], ids=["text", "no text"])
def test_403_and_404_are_hostaways_word_in_its_envelope(server, transport, status, kind, body):
    server.says(status, body)
    assert type(failure(lambda: get(transport))) is kind


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    "body",
    [HTML, b"", b"null", b"[]", {}, {"message": "no Route matched"}, {"status": 404}, {"status": "success"}],
    ids=["html", "empty", "null", "list", "no keys", "foreign", "number", "success"],
)
def test_403_and_404_of_a_gateway_say_nothing_about_objects_and_tokens(server, transport, status, body):
    """Believed, a gateway's page would delete rows, or fetch tokens."""
    server.says(status, body)
    error = failure(lambda: get(transport))
    assert (type(error), f"HTTP {status}" in str(error)) == (GarbledBody, True)


@pytest.mark.parametrize("key", ["result", "message"])
@pytest.mark.parametrize("status", [200, 403, 404, 422, 500])
def test_the_text_of_a_failure_stands_in_result_or_in_message(server, transport, status, key):
    server.says(status, {"status": "fail", key: "Reservation is locked"})
    assert "Reservation is locked" in str(failure(lambda: get(transport)))


def test_status_fail_with_http_200_is_a_failure(server, transport):
    """Taken for success, its text would be the result."""
    server.says(200, {"status": "fail", "result": "Listing not found"})
    assert type(failure(lambda: get(transport))) is RequestRejected


@pytest.mark.parametrize("body", [{}, {"status": "success"}, {"result": []}, {"status": "ok", "result": []}])
def test_half_an_envelope_is_no_success(server, transport, body):
    """An answer without a result must not become an empty list; and the next one may have it."""
    server.says(200, body)
    assert type(failure(lambda: get(transport))) is GarbledBody


@pytest.mark.parametrize("result", [None, {}, "text", 7])
def test_a_result_of_another_shape_than_asked_for_is_garbled(server, transport, result):
    server.says(200, {"status": "success", "result": result})
    assert type(failure(lambda: transport.call("GET", "/listings", TOKEN, shape=list))) is GarbledBody


def test_a_refused_token_request_is_about_the_credentials(server, transport):
    server.says(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
    assert type(failure(lambda: transport.post_form("/accessTokens", FORM))) is InvalidCredentials


def test_a_long_text_is_cut(server, transport):
    """It ends up in a table and in a log line."""
    server.says(422, {"status": "fail", "message": "x" * 100_000})
    assert len(str(failure(lambda: get(transport)))) < 400


@pytest.mark.parametrize("status", [429, 500, 422])
def test_an_error_names_the_request_and_the_status(server, transport, status):
    server.says(status, b"")
    assert str(failure(lambda: get(transport))) == f"GET /listings: HTTP {status}"


# 429


def test_a_429_carries_the_time_of_the_unix_timestamp(server, transport):
    at = (datetime.now(UTC) + timedelta(seconds=30)).replace(microsecond=0)
    server.says(429, {"status": "fail"}, headers={"X-RateLimit-Retry-After": str(int(at.timestamp()))})
    error = failure(lambda: get(transport))
    assert isinstance(error, RateLimited)
    assert error.retry_at == at


def test_a_429_carries_the_time_of_retry_after(server, transport):
    before = datetime.now(UTC)
    server.says(429, b"", headers={"Retry-After": "30"})
    error = failure(lambda: get(transport))
    assert isinstance(error, RateLimited)
    assert error.retry_at is not None
    assert timedelta(seconds=30) <= error.retry_at - before < timedelta(seconds=35)


def test_a_429_without_headers_names_no_time(server, transport):
    server.says(429, b"")
    error = failure(lambda: get(transport))
    assert isinstance(error, RateLimited)
    assert error.retry_at is None


# Bodies that are no envelope


@pytest.mark.parametrize(
    "body",
    [HTML, b"", b"null", b"[]", b'"success"', b'{"status": "success", "resu', b"\xff\xfe\x00", b"NaN"],
    ids=["html", "empty", "null", "list", "string", "cut json", "no utf-8", "nan"],
)
def test_a_200_that_is_no_json_object_is_garbled_and_so_transient(server, transport, body):
    """A gateway's page: the next try reaches Hostaway again."""
    server.says(200, body)
    assert type(failure(lambda: get(transport))) is GarbledBody


def test_a_garbled_body_is_not_quoted(server, transport):
    """It may hold anything, guests' names included."""
    server.says(200, b"<html>Andrew Peterson</html>")
    assert "Andrew" not in str(failure(lambda: get(transport)))


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_shorter_than_its_length_was_cut_and_so_is_transient(server, transport, status):
    """What came is valid JSON: only the length tells that it is not all."""
    server.says(status, {"status": "success", "result": []}, length=500)
    assert isinstance(failure(lambda: get(transport)), TransientApiError)


def test_a_body_nested_without_end_is_garbled(server, transport):
    server.says(200, b"[" * 100_000)
    assert type(failure(lambda: get(transport))) is GarbledBody


# No answer


def test_a_refused_connection_is_a_network_error():
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        transport = Transport(f"http://127.0.0.1:{taken.getsockname()[1]}", connections=1)
        error = failure(lambda: get(transport))
    assert type(error) is NetworkError
    assert "connection refused or cut" in str(error)


def test_a_server_that_keeps_silent_is_a_network_error(server):
    server.says(200, {"status": "success", "result": []}, after=60)
    began = time.monotonic()
    error = failure(lambda: get(Transport(server.url, connections=1, read_seconds=0.1)))
    assert (type(error), time.monotonic() - began < 30) == (NetworkError, True)
    assert "reading timed out" in str(error)


def test_a_connection_that_is_closed_without_an_answer_is_a_network_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.close()

        closing = threading.Thread(target=hang_up)
        closing.start()
        transport = Transport(f"http://127.0.0.1:{listener.getsockname()[1]}", connections=1, read_seconds=2)
        error = failure(lambda: get(transport))
        closing.join()
    assert type(error) is NetworkError


def test_a_body_that_does_not_unpack_is_transient(server, transport):
    server.says(200, b"no gzip", headers={"Content-Encoding": "gzip"})
    assert isinstance(failure(lambda: get(transport)), TransientApiError)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server, transport, status):
    """It would carry the token, or the secret, to wherever the answer points."""
    server.says(status, b"", headers={"Location": f"{server.url}/elsewhere"})
    error = failure(lambda: get(transport))
    assert isinstance(error, PermanentApiError)
    assert "redirects are not followed; is HOSTAWAY_API_URL right?" in str(error)
    assert [asked for asked, _, _ in server.asked] == ["GET /v1/listings?limit=1"]


def test_no_redirect_is_followed_with_the_secret(server, transport):
    server.says(307, b"", headers={"Location": f"{server.url}/elsewhere"})
    failure(lambda: transport.post_form("/accessTokens", FORM))
    assert len(server.asked) == 1


# Nothing secret in errors


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, b'{"status":"fail","message":"No."}'),
        Reply(401, b'{"error":"invalid_client"}'),
        Reply(403, b""),
        Reply(429, b""),
        Reply(500, HTML),
        Reply(200, HTML),
        Reply(200, b"{}", length=500),
        Reply(307, b"", {"Location": "/elsewhere"}),
        Reply(200, b"{}", after=60),
    ],
    ids=["400", "401", "403", "429", "500", "html", "cut", "redirect", "timeout"],
)
@pytest.mark.parametrize("request_of", ["secret", "token"])
def test_neither_secret_nor_token_is_in_an_errors_text_or_traceback(server, reply, request_of):
    server.reply = reply
    transport = Transport(server.url, connections=1, read_seconds=0.1)
    sends = {"secret": lambda: transport.post_form("/accessTokens", FORM), "token": lambda: get(transport)}
    text = shown(failure(sends[request_of]))
    assert SECRET not in text
    assert TOKEN not in text


def test_the_secret_is_not_in_the_traceback_of_a_refused_connection():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        transport = Transport(f"http://127.0.0.1:{taken.getsockname()[1]}", connections=1)
        error = failure(lambda: transport.post_form("/accessTokens", FORM))
    assert SECRET not in shown(error)
    # The library's own error holds the request, and with it the form.
    assert (error.__cause__, error.__suppress_context__) == (None, True)


def test_a_server_that_repeats_the_secret_does_not_get_it_into_the_error(server, transport):
    server.says(400, {"status": "fail", "message": f"unknown client_secret {SECRET}"})
    assert SECRET not in shown(failure(lambda: transport.post_form("/accessTokens", FORM)))


def test_an_integer_beyond_64_bits_beside_half_a_surrogate_pair_can_be_written_again(server, transport):
    """One text with half a pair is enough for a page to take the way of the standard library's parser."""
    body = b'{"status": "success", "result": [{"id": 1, "body": "\\ud83d", "hash": 123456789012345678901}], "count": 1}'
    server.says(200, body)
    result = transport.call("GET", "/listings", "token").result
    content_hash(sanitize(result[0]))
